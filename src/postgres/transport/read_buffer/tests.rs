use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::{ReadBuffer, SHRINK_ABOVE};

fn receive(buffer: &mut ReadBuffer, bytes: &[u8]) {
    for chunk in bytes.chunks(1000) {
        assert!(buffer.make_room().unwrap() > 0);
        let spare = buffer.capacity() - buffer.tail().len();
        for part in chunk.chunks(spare) {
            buffer.make_room().unwrap();
            buffer.tail().extend_from_slice(part);
        }
    }
}

#[test]
fn nothing_is_allocated_before_it_is_needed() {
    assert_eq!(ReadBuffer::new(1 << 20, 1 << 30).capacity(), 0);
}

#[test]
fn full_is_an_error_and_not_a_larger_buffer() {
    let mut buffer = ReadBuffer::new(16, 100);
    while let Ok(spare) = buffer.make_room() {
        let filled = buffer.tail().len() + spare;
        buffer.tail().resize(filled, 7);
    }
    assert_eq!(buffer.filled(), [7; 100]);
    buffer.consume(60);
    assert!(buffer.make_room().unwrap() >= 60);
    assert_eq!(buffer.filled(), [7; 40]);
}

#[test]
fn consuming_all_of_it_keeps_the_memory_in_place() {
    let mut buffer = ReadBuffer::new(64, 1000);
    buffer.make_room().unwrap();
    let capacity = buffer.capacity();
    for _ in 0..100 {
        receive(&mut buffer, b"0123456789");
        buffer.consume(usize::MAX);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b""[..], capacity));
    }
}

#[test]
fn memory_is_given_back_behind_a_large_frame() {
    let mut buffer = ReadBuffer::new(1 << 10, 1 << 30);
    receive(&mut buffer, &vec![1; 2 * SHRINK_ABOVE]);
    assert!((2 * SHRINK_ABOVE..8 * SHRINK_ABOVE).contains(&buffer.capacity()));
    buffer.consume(2 * SHRINK_ABOVE - 100);
    assert_eq!(buffer.filled(), [1; 100]);
    assert_eq!(buffer.capacity(), 1 << 10);
}

proptest! {
    /// What goes in comes out, in order, and the memory stays in proportion to what is held.
    #[test]
    fn first_in_first_out(steps in prop::collection::vec((0usize..300, 0usize..300), 1..60)) {
        let mut buffer = ReadBuffer::new(64, 1 << 20);
        let (mut next, mut expected) = (0u8, Vec::new());
        for (put, take) in steps {
            let bytes: Vec<u8> = (0..put).map(|_| { next = next.wrapping_add(1); next }).collect();
            receive(&mut buffer, &bytes);
            expected.extend(bytes);
            prop_assert_eq!(buffer.filled(), &expected[..]);
            let take = take.min(expected.len());
            buffer.consume(take);
            expected.drain(..take);
            prop_assert_eq!(buffer.filled(), &expected[..]);
        }
        prop_assert!(buffer.capacity() <= 128 << 10);
    }
}
