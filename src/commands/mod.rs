//! One file per subcommand; each reads as a recipe of stages.
