//! Tokens of polled sockets.

use mio::Token;

/// A supply of tokens for polled sockets, above the fixed ones.
#[derive(Debug)]
pub(super) struct Tokens(pub(super) usize);

impl Tokens {
    pub(super) fn next(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
