//! An app's secrets, from Doppler into an environment.

mod assemble;
mod cache;
mod doppler;
mod stale;
mod stored;
mod sync_secrets;
mod target;
mod token;

pub use cache::DopplerReader;
pub use sync_secrets::sync_secrets;

#[cfg(test)]
mod tests;
