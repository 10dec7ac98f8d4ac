//! Shows the result where GitHub looks for it: job summary, step outputs, annotations.
