//! Name patterns such as `pr-{pr}.example.com`, and whether two patterns can ever render to the same name.

/// The most digits of a pull request's number. GitHub's numbers have 31 bits.
const MAX_DIGITS: usize = 10;

/// A number with the most digits: it renders a pattern to its longest name.
pub(super) const LARGEST_PR: u64 = 9_999_999_999;

/// A name with a placeholder for a pull request's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The literal parts between the numbers; one more than there are numbers.
    literals: Vec<String>,
}

impl Pattern {
    /// Parses `pr-{pr}` or `{app}-pr-{pr}`.
    ///
    /// # Errors
    /// The text has a brace that belongs to neither `{pr}` nor `{app}`.
    pub fn new(text: &str, app: &str) -> Result<Self, String> {
        let text = text.replace("{app}", app);
        let literals: Vec<String> = text.split("{pr}").map(ToOwned::to_owned).collect();
        if literals.iter().any(|part| part.contains(['{', '}'])) {
            return Err(format!("`{text}` has a brace outside of `{{pr}}` and `{{app}}`"));
        }
        Ok(Self { literals })
    }

    /// Whether the pattern has a `{pr}`. Without one it renders to a single name.
    pub fn has_number(&self) -> bool {
        self.literals.len() > 1
    }

    /// The name for one pull request.
    pub fn render(&self, pr: u64) -> String {
        self.literals.join(&pr.to_string())
    }

    /// Whether both patterns render to the same name for some pair of numbers, equal or not.
    ///
    /// The answer is exact: for each pair of lengths that the two numbers can have, the symbols of the names are compared.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let lengths = |pattern: &Self| if pattern.has_number() { 1..=MAX_DIGITS } else { 1..=1 };
        lengths(self).any(|left| {
            lengths(other).any(|right| {
                let (ours, theirs) = (self.symbols(left, 0), other.symbols(right, MAX_DIGITS));
                ours.len() == theirs.len() && can_be_equal(&ours, &theirs)
            })
        })
    }

    /// The symbols of the name, if the number has this many digits. The digits are variables, numbered from `first`.
    fn symbols(&self, digits: usize, first: usize) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        for (index, text) in self.literals.iter().enumerate() {
            if index > 0 {
                symbols.extend((first..first + digits).map(Symbol::Digit));
            }
            symbols.extend(text.bytes().map(Symbol::Byte));
        }
        symbols
    }
}

/// A symbol of a name.
#[derive(Clone, Copy)]
enum Symbol {
    Byte(u8),
    /// A digit of a number, as an index: the digits of the first number, then those of the second.
    Digit(usize),
}

/// Whether some choice of digits makes both names equal.
fn can_be_equal(left: &[Symbol], right: &[Symbol]) -> bool {
    let mut digits = Digits::new();
    left.iter().zip(right).all(|symbols| match symbols {
        (Symbol::Byte(left), Symbol::Byte(right)) => left == right,
        (Symbol::Digit(digit), Symbol::Byte(byte)) | (Symbol::Byte(byte), Symbol::Digit(digit)) => {
            digits.fix(*digit, *byte)
        }
        (Symbol::Digit(left), Symbol::Digit(right)) => digits.equate(*left, *right),
    })
}

/// Digits that are known to be equal (a union-find), and the known values.
struct Digits {
    parent: [usize; 2 * MAX_DIGITS],
    value: [Option<u8>; 2 * MAX_DIGITS],
    nonzero: [bool; 2 * MAX_DIGITS],
}

impl Digits {
    fn new() -> Self {
        // A number does not begin with 0.
        let nonzero = std::array::from_fn(|digit| digit == 0 || digit == MAX_DIGITS);
        Self { parent: std::array::from_fn(|digit| digit), value: [None; 2 * MAX_DIGITS], nonzero }
    }

    fn root(&self, mut digit: usize) -> usize {
        while self.parent[digit] != digit {
            digit = self.parent[digit];
        }
        digit
    }

    /// Fixes a digit's value. Returns false if that contradicts what is known.
    fn fix(&mut self, digit: usize, byte: u8) -> bool {
        let root = self.root(digit);
        self.value[root].is_none_or(|value| value == byte)
            && byte.is_ascii_digit()
            && !(self.nonzero[root] && byte == b'0')
            && {
                self.value[root] = Some(byte);
                true
            }
    }

    /// Makes two digits equal. Returns false if that contradicts what is known.
    fn equate(&mut self, left: usize, right: usize) -> bool {
        let (left, right) = (self.root(left), self.root(right));
        let value = self.value[left].or(self.value[right]);
        if self.value[left].zip(self.value[right]).is_some_and(|(left, right)| left != right) {
            return false;
        }
        self.parent[left] = right;
        self.nonzero[right] |= self.nonzero[left];
        self.value[right] = value;
        !(self.nonzero[right] && value == Some(b'0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, "web").unwrap()
    }

    #[test]
    fn patterns_conflict_if_two_numbers_give_one_name() {
        for (left, right, conflict) in [
            ("pr-{pr}", "pr-{pr}", true),
            ("pr-1{pr}", "pr-{pr}", true),
            ("pr-{pr}1", "pr-1{pr}", true),
            ("pr-0{pr}", "pr-{pr}", false),
            ("{app}-pr-{pr}", "web-pr-{pr}", true),
            ("{app}-pr-{pr}", "api-pr-{pr}", false),
            ("pr-{pr}", "pr-12", true),
            ("pr-{pr}", "pr-012", false),
            ("pr-{pr}", "pr-x", false),
            ("pr-{pr}", "pr-12345678901", false),
            ("pr-{pr}-{pr}", "pr-1-2", false),
            ("pr-{pr}-{pr}", "pr-12-12", true),
            ("pr-{pr}-{pr}", "pr-1-{pr}", true),
            ("pr-{pr}-0{pr}", "pr-{pr}-{pr}", false),
            ("pr-{pr}.example.com", "pr-{pr}-temporal.example.com", false),
            ("web-production", "web-production", true),
            ("web", "api", false),
        ] {
            assert_eq!(pattern(left).conflicts_with(&pattern(right)), conflict, "{left} {right}");
            assert_eq!(pattern(right).conflicts_with(&pattern(left)), conflict, "{right} {left}");
        }
    }

    #[test]
    fn pattern_with_an_unknown_placeholder_is_refused() {
        for text in ["{number}", "pr-{pr", "pr-pr}", "{{pr}}"] {
            assert!(Pattern::new(text, "web").is_err(), "{text}");
        }
        assert_eq!(pattern("{app}-pr-{pr}").render(12), "web-pr-12");
    }

    proptest! {
        #[test]
        fn every_pair_of_equal_names_is_a_conflict(
            left in "[01-]{0,3}(\\{pr\\}[01-]{0,2}){0,2}",
            right in "[01-]{0,3}(\\{pr\\}[01-]{0,2}){0,2}",
        ) {
            let (left, right) = (pattern(&left), pattern(&right));
            let names: Vec<_> = (1..200).map(|pr| left.render(pr)).collect();
            let conflict = (1..200).any(|pr| names.contains(&right.render(pr)));
            // Only this direction: a conflict may need larger numbers than those tried here.
            prop_assert!(!conflict || left.conflicts_with(&right));
        }
    }
}
