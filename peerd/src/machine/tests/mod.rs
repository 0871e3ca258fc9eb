//! Cables and LANs in virtual time, and properties that hold on them whatever fails or lies.

mod faults;
mod hostile;
mod lan_hostile;
mod lan_meetings;
mod lan_restarts;
mod lan_world;
mod random;
mod uncertain;
mod world;
