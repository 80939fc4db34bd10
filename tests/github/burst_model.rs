//! The time that reports of many pull requests take, as a model without a clock. Pure.
//!
//! All are pushed at the same moment. Each has one write in flight, its comment comes first, and the task queue hands out in turn.

/// GitHub's own limits: docs.github.com, "Rate limits for the REST API", secondary limits of content.
const A_MINUTE: (usize, u64) = (80, 60_000);
const AN_HOUR: (usize, u64) = (500, 3_600_000);

/// The writes of a push. Those that were counted are what `outage` prints for 30 pull requests at five writes a second (5.7 and
/// 6.8), rounded up.
const WRITES: [(&str, usize); 3] =
    [("a first push, counted", 6), ("a later push, counted", 7), ("if each state is shown", 8)];

/// A burst of pushes.
#[derive(Debug, Clone, Copy)]
struct Burst {
    pull_requests: usize,
    /// The writes of one push.
    writes: usize,
    per_second: f64,
}

/// The times in milliseconds at which all comments have been written, and everything.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    comments: u64,
    everything: u64,
}

/// Writes one after the other, as soon as the rate and each of the limits allow. A limit: so many within so many milliseconds.
fn shown(burst: Burst, limits: &[(usize, u64)]) -> Shown {
    // The rate is given to a thousandth of a second, and a burst has fewer than 2^32 writes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a pause of milliseconds")]
    let pause = (1000.0 / burst.per_second).ceil() as u64;
    let mut made = Vec::<u64>::new();
    let mut comments = 0;
    for write in 0..burst.pull_requests * burst.writes {
        let earliest = made.last().map_or(0, |last| *last + pause);
        let room = |(most, window): &(usize, u64)| made.iter().rev().nth(most - 1).map_or(0, |first| *first + *window);
        made.push(limits.iter().map(room).fold(earliest, u64::max));
        if write < burst.pull_requests {
            comments = made.last().copied().unwrap_or_default();
        }
    }
    Shown { comments, everything: made.last().copied().unwrap_or_default() }
}

fn minutes(milliseconds: u64) -> String {
    format!("{}:{:02} min", milliseconds / 60_000, milliseconds / 1000 % 60)
}

#[test]
fn burst_takes_as_long_as_its_writes() {
    let burst = Burst { pull_requests: 200, writes: 6, per_second: 1.0 };
    assert_eq!(shown(burst, &[]), Shown { comments: 199_000, everything: 1_199_000 });
    let quick = Burst { per_second: 5.0, ..burst };
    assert_eq!(shown(quick, &[]), Shown { comments: 39_800, everything: 239_800 });
    // Eighty a minute, and the eighty-first when the first is a minute old.
    let eighty = Burst { pull_requests: 81, writes: 1, per_second: 1000.0 };
    assert_eq!(shown(eighty, &[A_MINUTE]).everything, 60_000);
    assert_eq!(shown(burst, &[A_MINUTE, AN_HOUR]).everything, 2 * 3_600_000 + 199_000);
}

#[test]
fn two_hundred_pull_requests_are_shown_at_one_write_a_second() {
    let (pull_requests, per_second) = (200, 1.0);
    println!("{pull_requests} pull requests at {per_second} write a second:");
    println!(
        "| writes of a push                | all comments | everything | with GitHub's 80 a minute and 500 an hour"
    );
    for (what, writes) in WRITES {
        let burst = Burst { pull_requests, writes, per_second };
        let (rate, limited) = (shown(burst, &[]), shown(burst, &[A_MINUTE, AN_HOUR]));
        println!(
            "| {writes}: {what:<28} | {:<12} | {:<10} | {}",
            minutes(rate.comments),
            minutes(rate.everything),
            minutes(limited.everything)
        );
        assert!(limited.comments == rate.comments, "every comment is written before GitHub's limit of an hour");
    }
}
