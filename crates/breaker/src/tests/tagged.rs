use crate::tagged::{TAG, Tagged, VALUE};

#[test]
fn a_later_time_begins_at_nought_and_an_earlier_one_is_over() {
    let number = Tagged::new();
    assert_eq!(number.add_one(7), Some(1));
    assert_eq!(number.add_one(7), Some(2));
    assert_eq!((number.get(7), number.get(8), number.get(6)), (2, 0, 0));
    assert_eq!(number.add_one(9), Some(1));
    assert_eq!(number.add_one(7), None);
    assert_eq!((number.get(7), number.get(9)), (0, 1));
}

#[test]
fn tags_go_round() {
    let number = Tagged::new();
    assert_eq!(number.update(TAG / 2, |_| 1), Some(0));
    assert_eq!(number.add_one(TAG), Some(1));
    assert_eq!(number.add_one(TAG + 1), Some(1));
    assert_eq!(number.add_one(TAG), None);
    assert_eq!(number.get(0), 1);
}

#[test]
fn a_full_number_stays_full_and_does_not_spill_into_the_tag() {
    let number = Tagged::new();
    number.update(1, |_| VALUE as u32);
    assert_eq!(number.add_one(1), Some(VALUE as u32));
    assert_eq!(number.get(1), VALUE as u32);
    assert_eq!(number.get(2), 0);
}
