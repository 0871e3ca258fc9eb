//! Latency and cost of Gamelink, beside the stock link and the bare socket in the same run.
//!
//! [`plan`] says what is run, of the [`patterns`] that games have; [`run`] does it with the pairs of
//! `gamelink_lab::pair`, one contestant after the other ([`contestants`]). [`ping`] is the bare socket on the
//! same path, [`micro`] the pure code alone, [`instructions`] a frame's cost counted by callgrind;
//! [`telemetry`] is what our core says of itself. All of it is [`results`], which [`table`] and [`plots`]
//! show and [`publish`] puts on the front page. Nothing here asserts a time.

mod absences;
mod axis;
pub mod contestants;
mod format;
pub mod instructions;
pub mod machine;
mod memory;
pub mod micro;
pub mod patterns;
pub mod ping;
pub mod plan;
pub mod plots;
pub mod publish;
pub mod results;
mod round_trips;
pub mod run;
mod svg;
pub mod table;
pub mod telemetry;
