//! Everything that can stop us: message, hint, exit code.
