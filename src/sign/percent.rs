//! Percent-encoding as every scheme has it: RFC 3986's unreserved characters stay as they are.

/// Encodes every byte but the unreserved ones and those of `kept`, in upper-case hexadecimal.
pub(super) fn push_encoded(out: &mut Vec<u8>, text: &[u8], kept: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if unreserved || kept.contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}
