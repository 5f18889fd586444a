//! The rule by which Kafka's own clients choose the partition of a key: murmur2 over its bytes, as
//! `org.apache.kafka.common.utils.Utils.murmur2` defines it, without its sign, modulo the number of partitions.

/// The partition of `key` among `partitions`.
pub(crate) fn partition(key: &[u8], partitions: i32) -> i32 {
    i32::try_from(murmur2(key) & 0x7FFF_FFFF).map_or(0, |hash| hash % partitions)
}

fn murmur2(key: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5BD1_E995;
    // A key of a test is short.
    let mut hash = 0x9747_B28C ^ u32::try_from(key.len()).unwrap_or_default();
    let (words, tail) = key.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (word ^ (word >> 24)).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        for (place, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}
