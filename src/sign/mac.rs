//! Keyed and plain hashes, how they are written, and how secrets are compared.
//!
//! Not here: what is hashed, and under which key.

use hmac::digest::common::Key;
use hmac::{EagerHash, Hmac, KeyInit};
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 hash.
pub(super) const SHA256_LEN: usize = 32;

/// An HMAC that has taken its key in and waits for the message.
///
/// The key is brought to the hash's block size here (RFC 2104 section 2), which is what spares every
/// caller an error that can't happen.
pub(super) fn keyed<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    let mut block = Key::<Hmac<D>>::default();
    if key.len() <= block.len() {
        block[..key.len()].copy_from_slice(key);
    } else {
        // A hash is never longer than its block.
        for (to, from) in block.iter_mut().zip(D::digest(key)) {
            *to = from;
        }
    }
    Hmac::new(&block)
}

/// A SHA-256 hash in lower-case hexadecimal.
pub(super) struct Hex([u8; 2 * SHA256_LEN]);

impl Hex {
    pub(super) fn of(hash: impl Into<[u8; SHA256_LEN]>) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * SHA256_LEN];
        for (pair, byte) in text.chunks_exact_mut(2).zip(hash.into()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    pub(super) fn of_sha256(data: &[u8]) -> Self {
        Self::of(Sha256::digest(data))
    }

    pub(super) fn as_str(&self) -> &str {
        // ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Reads a SHA-256 hash; `None` for anything but 64 lower-case digits, so that each has one spelling.
pub(super) fn from_hex(text: &str) -> Option<[u8; SHA256_LEN]> {
    let digit = |byte| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * SHA256_LEN {
        return None;
    }
    let mut hash = [0; SHA256_LEN];
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// Whether two secrets are equal. It is their hashes that are compared: how long that takes says
/// nothing about the secrets.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::Mac;
    use sha1::Sha1;

    #[test]
    fn keys_of_any_length_agree_with_rfc_4231() {
        // Test cases 2, 6 and 7: a key shorter than the block, and one of 131 bytes.
        let mac = |key: &[u8], data: &[u8]| {
            Hex::of(keyed::<Sha256>(key).chain_update(data).finalize().into_bytes()).as_str().to_owned()
        };
        assert_eq!(
            mac(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_key_of_exactly_one_block_is_taken_as_it_is() {
        for length in [63, 64, 65] {
            let key = vec![7; length];
            let ours = keyed::<Sha1>(&key).chain_update(b"x").finalize();
            let theirs = Hmac::<Sha1>::new_from_slice(&key).unwrap().chain_update(b"x").finalize();
            assert_eq!(ours, theirs, "{length} bytes");
        }
    }

    #[test]
    fn hexadecimal_has_one_spelling() {
        let hash: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8 + 1).unwrap_or_default());
        let text = Hex::of(hash).as_str().to_owned();
        assert_eq!(from_hex(&text), Some(hash));
        assert_eq!(from_hex(&text.to_uppercase()), None);
        assert_eq!(from_hex(&text[1..]), None);
        assert_eq!(from_hex(&text.replace('0', "g")), None);
    }
}
