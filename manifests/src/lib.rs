//! What is deployed: the app file, and what an app's manifests become in one environment.
//!
//! Pure but for reading an app's folder: it talks to no cluster and no server.

pub mod app;
pub mod render;
