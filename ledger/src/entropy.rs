//! Where do random bytes come from? The operating system, read once per 4 KiB; errors stop us.

use crate::code::Code;
use crate::error::{Error, Result};
use zeroize::Zeroize;

const BUFFER: usize = 4096;

/// Random bytes of the operating system, buffered.
pub struct Entropy {
    buffer: Box<[u8; BUFFER]>,
    used: usize,
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy")
    }
}

impl Default for Entropy {
    fn default() -> Self {
        Self { buffer: Box::new([0; BUFFER]), used: BUFFER }
    }
}

impl Drop for Entropy {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

impl Entropy {
    /// `N` fresh bytes, at most 64.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        if self.used + N > BUFFER {
            getrandom::fill(&mut self.buffer[..]).map_err(|error| {
                Error::new(Code::Io, format!("the operating system gave no random bytes: {error}"))
            })?;
            self.used = 0;
        }
        let mut bytes = [0; N];
        let taken = &mut self.buffer[self.used..self.used + N];
        bytes.copy_from_slice(taken);
        taken.zeroize();
        self.used += N;
        Ok(bytes)
    }
}
