//! The form of texts that Kubernetes reads further: quantities and Base64.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::general_purpose::{GeneralPurpose, PAD},
};

/// Suffixes of a quantity. Source: <https://github.com/kubernetes/apimachinery/blob/v0.34.0/pkg/api/resource/suffix.go>.
const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Whether a text is a quantity: `250m`, `1.5Gi`, `1e3`. Kubernetes ignores spaces around it, and takes a suffix alone as zero.
pub(super) fn is_quantity(text: &str) -> bool {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (_, rest) = unsigned.split_at(number(unsigned));
    let suffix = match rest.strip_prefix('.') {
        Some(fraction) => fraction.split_at(number(fraction)).1,
        None => rest,
    };
    let is_exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| exponent.parse::<i64>().is_ok());
    !text.is_empty() && (SUFFIXES.contains(&suffix) || is_exponent)
}

/// Whether a text is Base64 as Kubernetes reads it: with padding, and with line ends anywhere.
pub(super) fn is_base64(text: &str) -> bool {
    let engine = GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));
    engine.decode(text.replace(['\r', '\n'], "")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantity_has_a_suffix_that_kubernetes_knows() {
        for text in [
            "0", "1", "-1", "+1", "1.5", ".5", "1.", "250m", "1.5Gi", "10Ki", "1k", "1M", "1E", "1Ei", "1e3", "1E-3",
            "1e+3", "100n", "5u", " 1Gi ", "007",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "", " ", "256MB", "256mb", "10 Gi", "1K", "1gi", "1GB", "1GiB", "1,5Gi", "1.5.5", "1e", "1e1.5", "--1",
            "$MEM", "${MEM}", "one", "0x10", "1_000", "1Mi1",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn base64_has_padding_and_may_have_line_ends() {
        for text in ["", "YQ==", "YWJj", "YW\nJj", "YQ==\n", "YR==", "+/+/", "\r\nYWJj\r\n"] {
            assert!(is_base64(text), "{text:?}");
        }
        for text in ["YQ", "YQ=", "secret!", "a b c d", "-_-_", "$DB_URL", "YWJj=", "YWJ j"] {
            assert!(!is_base64(text), "{text:?}");
        }
    }
}
