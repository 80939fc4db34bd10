//! The events of one kind, with pauses after errors.

use std::{fmt::Debug, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Config, Error, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// The first pause after an error. A restarted API server is back within seconds, and missed changes must be seen soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Returns the events of one kind. It uses a streaming list, one request, if the API server supports it (1.32, or the
/// feature gate `WatchList`), else a list and a watch.
pub(super) fn events<K>(api: Api<K>, config: Config) -> BoxStream<'static, Result<watcher::Event<K>, Error>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let open = |api: Api<K>, config: Config| watcher(api, config).backoff(Pauses::default()).boxed();
    let streaming = open(api.clone(), config.clone().streaming_lists());
    let state = (streaming, Some((api, config.any_semantic())));
    stream::unfold(state, move |(mut events, mut fallback)| async move {
        let mut next = events.next().await?;
        if matches!(next.as_ref().err().and_then(code), Some(400 | 422))
            && let Some((api, config)) = fallback.take()
        {
            events = open(api, config);
            next = events.next().await?;
        }
        Some((next, (events, fallback)))
    })
    .boxed()
}

pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The pauses after errors of a watch. They double, and start again from the shortest only after a while without
/// errors: one good answer does not prove a healthy API server.
#[derive(Default)]
struct Pauses {
    last: Option<(Instant, Duration)>,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let calm = LONGEST_PAUSE * 5;
        let pause = match self.last {
            Some((at, pause)) if at.elapsed() < calm => (pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((Instant::now(), pause));
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {}
}
