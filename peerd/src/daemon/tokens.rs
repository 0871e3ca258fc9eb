//! Tokens of polled sockets.

use mio::Token;

/// The first free number; lower ones are fixed.
const FIRST_DYNAMIC: usize = 16;

/// A supply of tokens: interfaces take the even numbers, clients the odd.
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
