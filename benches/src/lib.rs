//! Latency and cost of Gamelink, beside the stock link and the bare socket in the same run.
//!
//! [`plan`] says what is run, [`run`] does it with the pairs of `gamelink_fixtures::pair`; [`ping`] is the bare socket on the same
//! path, [`micro`] the pure code alone, [`instructions`] a frame's cost counted by callgrind. [`table`] and [`plots`] show it.
//! Nothing here asserts a time.

pub mod instructions;
pub mod machine;
pub mod micro;
pub mod ping;
pub mod plan;
pub mod plots;
pub mod run;
mod svg;
pub mod table;
