//! Latency and cost of Gamelink.
