//! The pipeline.
pub mod acknowledgement;
pub mod in_flight;
pub mod reader;
