//! A libretro core that wraps the stock Gambatte and plugs its link cable into Gamelink.
