//! Requests to Doppler, and the cache of its answers.

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn concurrent_environments_of_one_config_share_one_request() {
    let (cluster, stub) = (cluster(1..=20), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let synced = join_all((1..=20).map(|pr| sync(&cluster, &doppler, pr))).await;
    assert!(synced.iter().all(Result::is_ok));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_failed_request_is_shared_and_the_next_reader_repeats_it() {
    let (cluster, stub) = (cluster(1..=20), Stub::answering([Answer::new(500, "no")]).await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    for result in join_all((1..=20).map(|pr| sync(&cluster, &doppler, pr))).await {
        assert_eq!(transient(result), (FailureType::SecretsUnavailable, None));
    }
    assert_eq!(stub.requests().len(), 1);
    stub.answer_now([values()]);
    assert!(sync(&cluster, &doppler, 1).await.is_ok());
}

#[tokio::test]
async fn a_stale_cache_is_revalidated_by_its_version() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let first = sync(&cluster, &doppler, 1).await.unwrap();
    age(&cluster);
    let before = cluster.writes().len();
    for _ in 0..2 {
        assert_eq!(sync(&cluster, &doppler, 1).await.unwrap(), first);
    }
    let asked = stub.requests();
    assert_eq!((asked.len(), asked[1].ends_with(" W/\"1\"")), (2, true), "{asked:?}");
    let writes = cluster.writes().split_off(before);
    assert_eq!(writes, [format!("PATCH {}", cache(&cluster).unwrap())]);
}

#[tokio::test]
async fn a_changed_value_creates_another_secret_and_keeps_the_old_one() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let first = sync(&cluster, &doppler, 1).await.unwrap();
    age(&cluster);
    stub.answer_now([Answer::new(200, r#"{"API_KEY":"2"}"#).with("etag", "W/\"2\"")]);
    let second = sync(&cluster, &doppler, 1).await.unwrap();
    assert_ne!(first.secret, second.secret);
    assert_eq!(cluster.below("/api/v1/namespaces/pr-1/secrets/").len(), 2);
}

#[tokio::test]
async fn a_refused_token_drops_the_cache_and_an_outage_keeps_it() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    sync(&cluster, &doppler, 1).await.unwrap();
    age(&cluster);
    for outage in [Answer::new(503, WORDS), Answer::new(403, "<html>")] {
        stub.answer_now([outage]);
        assert_eq!(transient(sync(&cluster, &doppler, 1).await), (FailureType::SecretsUnavailable, None));
        assert!(cache(&cluster).is_some());
    }
    for code in [401, 403, 404] {
        stub.answer_now([Answer::new(code, WORDS)]);
        let verdict = verdict(sync(&cluster, &doppler, 1).await);
        assert_eq!(verdict.failure, FailureType::SecretsDenied);
        assert!(verdict.message.contains("Invalid Service token"), "{verdict:?}");
        assert_eq!(cache(&cluster), None);
    }
}

#[tokio::test]
async fn no_reader_requests_doppler_before_a_rate_limit_ends() {
    let limit = Answer::new(429, WORDS).with("retry-after", "30");
    let (cluster, stub) = (cluster([1, 2]), Stub::answering([limit]).await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let (failure, wait) = transient(sync(&cluster, &doppler, 1).await);
    assert_eq!((failure, wait), (FailureType::SecretsUnavailable, Some(Duration::from_secs(30))));
    assert!(transient(sync(&cluster, &doppler, 2).await).1.is_some_and(|left| left <= Duration::from_secs(30)));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_token_of_another_config_stores_nothing() {
    let production = BODY.replace("preview", "production");
    let (cluster, stub) = (cluster([1]), Stub::answering([Answer::new(200, production)]).await);
    let verdict = verdict(sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await);
    assert!(verdict.message.contains("DOPPLER_CONFIG") && verdict.failure == FailureType::SecretsDenied, "{verdict:?}");
    assert!(cluster.writes().is_empty());
}

#[tokio::test]
async fn a_lost_race_for_the_cache_is_no_error_but_a_refused_write_is() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    sync(&cluster, &doppler, 1).await.unwrap();
    let patch = format!("PATCH {}", cache(&cluster).unwrap());
    age(&cluster);
    cluster.refuse(&patch, 409);
    assert!(sync(&cluster, &doppler, 1).await.is_ok());
    cluster.refuse(&patch, 403);
    assert_eq!(transient(sync(&cluster, &doppler, 1).await), (FailureType::KubernetesDenied, None));
}
