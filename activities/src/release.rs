//! A release in its environment: rendered, stored, applied, and what the one before has left over.

pub mod stored_release;
