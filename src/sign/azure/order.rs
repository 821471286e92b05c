//! The order of header names in Azure Storage, which is that of words in a culture and not of bytes.
//!
//! Seen in what the service said it expected: <https://github.com/Azure/azure-sdk-for-python/issues/33951>

use std::cmp::Ordering;

/// The characters of header names that weigh something, from the lightest; hyphens and apostrophes
/// weigh nothing, until everything else is the same.
const BY_WEIGHT: &[u8] = b"!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz";

/// Compares two names in lower case.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    weights(a).cmp(weights(b)).then_with(|| marks(a).cmp(marks(b)))
}

fn weights(name: &str) -> impl Iterator<Item = usize> + '_ {
    name.bytes().filter_map(|byte| BY_WEIGHT.iter().position(|&known| known == byte))
}

/// What stands at each place: something that weighs before an apostrophe, before a hyphen.
fn marks(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().map(|byte| match byte {
        b'\'' => 1,
        b'-' => 2,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        header_name_sort: Sorted,
    }

    #[derive(serde::Deserialize)]
    struct Sorted {
        input: Vec<String>,
        output: Vec<String>,
    }

    #[test]
    fn names_are_in_the_recorded_order() {
        let text = include_str!("../../../tests/vectors/azure_shared_key.json");
        let Sorted { mut input, mut output } =
            serde_json::from_str::<Vectors>(text).unwrap().header_name_sort;
        input.sort_by(|a, b| compare(a, b));
        assert!(output.len() > 20);
        // One name is there twice.
        assert_eq!(input, output);
        output.reverse();
        output.sort_by(|a, b| compare(a, b));
        assert_eq!(input, output);
    }

    proptest! {
        #[test]
        fn it_is_an_order_in_which_only_the_same_name_is_equal(
            a in "[-'a-c_0+.]{0,5}", b in "[-'a-c_0+.]{0,5}", c in "[-'a-c_0+.]{0,5}",
        ) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b) == Ordering::Equal, a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
