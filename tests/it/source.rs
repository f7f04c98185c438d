//! Where the files of a deploy come from: a work tree that is committed and pushed on the way,
//! a folder, a tarball.

mod brought;
mod evil;
mod message;
mod refused;
mod scene;
