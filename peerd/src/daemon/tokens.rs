//! Numbers for what is polled.

use mio::Token;

/// Those below are fixed.
const FIRST_DYNAMIC: usize = 16;

/// Fresh numbers: interfaces have the even ones, clients the odd.
#[derive(Debug)]
pub(super) struct Tokens(usize);

impl Tokens {
    pub(super) const INTERFACES: Tokens = Tokens(FIRST_DYNAMIC);
    pub(super) const CLIENTS: Tokens = Tokens(FIRST_DYNAMIC + 1);

    pub(super) fn next(&mut self) -> Token {
        self.0 += 2;
        Token(self.0 - 2)
    }
}
