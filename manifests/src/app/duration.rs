//! Durations in the app file: `72h`, `1h30m`, `45s`, `2d`.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A duration in whole seconds: `72h`, `1h30m`, `45s`, `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "examples" = ["72h", "1h30m", "45s"]))]
pub struct Span(u64);

/// The units, largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The longest duration, ten years. A longer one is probably a typing error. The sum of two durations cannot overflow.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

impl Span {
    /// A duration of this many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// The duration as a timer takes it.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    /// # Errors
    /// The text is not a number with a unit, has its units in the wrong order, or is longer than ten years.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = || format!("`{text}` is not a duration: write it as `72h`, `1h30m` or `45s`");
        let (mut rest, mut seconds, mut units) = (text, 0_u64, UNITS.as_slice());
        if rest.is_empty() {
            return Err(problem());
        }
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(problem)?;
            let (digits, unit) = rest.split_at(end);
            let unit = unit.chars().next().ok_or_else(problem)?;
            let index = units.iter().position(|(name, _)| *name == unit).ok_or_else(problem)?;
            let amount: u64 = digits.parse().map_err(|_| problem())?;
            let unit_seconds = units.get(index).map_or(1, |(_, seconds)| *seconds);
            seconds = amount
                .checked_mul(unit_seconds)
                .and_then(|part| part.checked_add(seconds))
                .filter(|seconds| *seconds <= MAX_SECONDS)
                .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
            units = units.get(index + 1..).unwrap_or_default();
            rest = &rest[end + 1..];
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        // Days are skipped: people write `72h`, and read it without counting.
        for (unit, seconds) in UNITS.into_iter().skip(1) {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_parses_its_units_and_prints_at_most_hours() {
        for (text, seconds, written) in [
            ("72h", 259_200, "72h"),
            ("1h30m", 5_400, "1h30m"),
            ("45s", 45, "45s"),
            ("2d", 172_800, "48h"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span, span.to_string().as_str()), (Span::seconds(seconds), written));
        }
        for text in ["", "72", "h", "1.5h", "30m1h", "1h1h", "-1h", "1w", "9999999999999999999h", "4000d", "1ü"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
