//! The decisions of a preview against a model of it, for random orders of messages and results.
//!
//! `PROPTEST_CASES=1000000 cargo test --release -p berth-workflows --test model` tries a million.

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use driver::Driver;

#[path = "model/driver.rs"]
mod driver;
#[path = "model/written.rs"]
mod written;

/// How many sequences a plain run tries.
const CASES: u32 = 5_000;

fn config() -> Config {
    #[expect(clippy::disallowed_methods, reason = "the number of cases is no input of a workflow")]
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..Config::default() }
}

#[test]
fn preview_decides_as_the_model() {
    let mut runner = TestRunner::new(config());
    let tried = runner.run(&berth_test_model::sequences::events(), |events| {
        let mut driver = Driver::new();
        for (index, event) in events.iter().enumerate() {
            driver.run(event).map_err(|why| TestCaseError::fail(format!("event {index}: {why}")))?;
        }
        driver.settle().map_err(|why| TestCaseError::fail(format!("in the end: {why}")))
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(why, events)) => {
            let events: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
            panic!("{why}\n{}", events.join("\n"));
        }
        Err(error) => panic!("{error}"),
    }
}
