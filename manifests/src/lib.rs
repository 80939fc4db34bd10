//! The app file, and the rendering of an app's manifests for one environment.
//!
//! Pure, except that it reads an app's folder: it talks to no cluster and no server.

pub mod app;
pub mod network;
pub mod render;
