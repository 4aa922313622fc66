//! Random names.

use rand::Rng as _;

/// Returns a fresh version 4 UUID.
pub fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Returns the eight digits that tell one start attempt from the next.
pub fn attempt() -> String {
    hex::encode(rand::rng().random::<[u8; 4]>())
}
