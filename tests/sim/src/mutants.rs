//! Broken machines.
