//! What only servers that a provider manages have: another admin after a while, and certificates for a name of theirs.

use berth_activities::{
    database::{drop_all, ensure},
    failure::Failure,
};

use super::{
    OWNER, names,
    server::{Lab, MANAGED_ADMIN, credentials, everything, make_admin},
};

/// The admin that takes the place of the first one.
const NEXT_ADMIN: (&str, &str) = ("doadmin2", "next-admin");

/// Returns the advice of a refusal.
fn advice(failure: &Failure) -> &str {
    match failure {
        Failure::Permanent(verdict) => &verdict.advice,
        Failure::Transient { .. } => panic!("{failure:?} is retried"),
    }
}

#[tokio::test]
async fn next_admin_takes_over_the_databases_of_the_one_before() {
    let mut lab = Lab::managed(50);
    ensure(&lab.admin().await, &names(1), OWNER, "old", 5).await.unwrap();
    make_admin(&lab.postgres, NEXT_ADMIN);
    lab.credentials = credentials(NEXT_ADMIN, &lab.postgres.authority);
    let next = lab.admin().await;
    assert_eq!(ensure(&next, &names(1), OWNER, "new", 5).await.unwrap(), Vec::<String>::new());
    assert!(lab.connect_as("web_pr_1", "new", "web_pr_1").await.is_ok());
    assert_eq!(drop_all(&next, &names(1), OWNER).await.unwrap().foreign, []);
    assert_eq!(everything(&next).await, Vec::<String>::new());
}

#[tokio::test]
async fn next_admin_without_rights_on_the_role_is_told_the_sql_that_gives_them() {
    let mut lab = Lab::managed_newer(50);
    ensure(&lab.admin().await, &names(1), OWNER, "old", 5).await.unwrap();
    make_admin(&lab.postgres, NEXT_ADMIN);
    lab.credentials = credentials(NEXT_ADMIN, &lab.postgres.authority);
    let next = lab.admin().await;
    let refused = ensure(&next, &names(1), OWNER, "new", 5).await.unwrap_err();
    let blocked = drop_all(&next, &names(1), OWNER).await.unwrap_err();
    let grant = "GRANT \"web_pr_1\" TO \"doadmin2\" WITH ADMIN OPTION;";
    for failure in [&refused, &blocked] {
        assert!(advice(failure).contains(grant), "{failure:?}");
    }
    let before = lab.connect_as(MANAGED_ADMIN.0, MANAGED_ADMIN.1, "defaultdb").await.unwrap();
    before.batch_execute(grant).await.unwrap();
    ensure(&next, &names(1), OWNER, "new", 5).await.unwrap();
    assert_eq!(drop_all(&next, &names(1), OWNER).await.unwrap().foreign, []);
    assert_eq!(everything(&next).await, Vec::<String>::new());
}

#[tokio::test]
async fn certificate_for_another_name_is_told_at_once_and_taken_under_its_name() {
    let mut lab = Lab::managed(50);
    lab.server.host = "localhost".to_owned();
    let refused = lab.server.connect(&lab.credentials).await.map(drop).unwrap_err();
    assert!(advice(&refused).contains("set server_name to a name that the certificate has"), "{refused:?}");
    lab.server.server_name = Some(berth_lab::POSTGRES_NAME.to_owned());
    let admin = lab.admin().await;
    assert_eq!(everything(&admin).await, Vec::<String>::new());
}

#[tokio::test]
async fn named_database_that_does_not_exist_is_told_at_once() {
    let mut lab = Lab::managed(50);
    lab.server.database = Some("postgres".to_owned());
    let refused = lab.server.connect(&lab.credentials).await.map(drop).unwrap_err();
    assert!(advice(&refused).contains("set database to one that exists"), "{refused:?}");
}
