//! Child processes that end with us, however we end.
//!
//! Every shell line runs under a supervisor: this program again, as `tollgate supervise`. The
//! supervisor adopts whatever the line starts, even what tries to detach, and holds the reading
//! end of a pipe. When we close the pipe, or die and the kernel closes it, it ends the tree.
//!
//! Must not know what the processes are for.

pub mod peak;
pub mod spawn;
pub mod step;
pub mod supervise;
pub mod tree;

pub use spawn::{Supervised, Supervisor};
