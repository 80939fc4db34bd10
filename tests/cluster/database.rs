//! A preview's role and databases on a real PostgreSQL server.

mod managed;
mod server;

use berth_activities::{
    database::{Admin, Names, Tls, drop_all, ensure, list_roles},
    failure::Failure,
};
use berth_lab::{POSTGRES_PASSWORD, POSTGRES_USER, Postgres};
use server::{Lab, credentials, everything};

const OWNER: &str = "preview-web-1 of berth";

fn names(pr: u64) -> Names {
    Names::of_preview("web", pr).unwrap()
}

fn message(failure: &Failure) -> String {
    failure.to_string()
}

#[tokio::test]
async fn server_is_verified_by_its_certificate_and_the_connection_encrypted() {
    let mut lab = Lab::start(50);
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted = |client: Admin| async move { client.query_one(query, &[]).await.unwrap().get::<_, bool>(0) };
    assert!(encrypted(lab.admin().await).await);

    let stranger = Postgres::start(5).unwrap();
    let refused = lab
        .server
        .connect(&credentials((POSTGRES_USER, POSTGRES_PASSWORD), &stranger.authority))
        .await
        .map(drop)
        .unwrap_err();
    assert!(message(&refused).contains("invalid peer certificate"), "{refused:?}");
    let refused =
        lab.server.connect(&credentials((POSTGRES_USER, POSTGRES_PASSWORD), "not PEM")).await.map(drop).unwrap_err();
    assert!(message(&refused).contains("ca.crt of its admin's Secret has no certificate"), "{refused:?}");

    lab.server.tls = Tls::Disable;
    assert!(!encrypted(lab.admin().await).await, "only where the file says so");
}

#[tokio::test]
async fn preview_role_can_use_its_own_databases_only() {
    for lab in Lab::each(50) {
        let admin = lab.admin().await;
        ensure(&admin, &names(1), OWNER, "one", 5).await.unwrap();
        ensure(&admin, &names(2), "preview-web-2 of berth", "two", 5).await.unwrap();
        let own = lab.connect_as("web_pr_1", "one", "web_pr_1").await.unwrap();
        own.batch_execute("CREATE TABLE bookings (id int); CREATE EXTENSION btree_gin").await.unwrap();
        let other = lab.connect_as("web_pr_1", "one", "web_pr_2").await.map(drop).unwrap_err();
        assert!(other.as_db_error().unwrap().message().contains("permission denied"), "{other:?}");
    }
}

#[tokio::test]
async fn roles_of_an_apps_previews_are_listed_by_their_owner() {
    for lab in Lab::each(50) {
        let admin = lab.admin().await;
        ensure(&admin, &names(1), OWNER, "one", 5).await.unwrap();
        ensure(&admin, &names(2), "preview-web-2 of another", "two", 5).await.unwrap();
        let shop = Names::of_preview("web-shop", 3).unwrap();
        ensure(&admin, &shop, "preview-web-shop-3 of berth", "three", 5).await.unwrap();
        admin
            .batch_execute("CREATE ROLE web_pr_4; CREATE ROLE odd; COMMENT ON ROLE odd IS 'preview-web-x of berth'")
            .await
            .unwrap();
        assert_eq!(list_roles(&admin, "web", "berth").await.unwrap(), [("web_pr_1".to_owned(), 1)]);
        assert_eq!(list_roles(&admin, "web-shop", "berth").await.unwrap(), [("web_shop_pr_3".to_owned(), 3)]);
        assert_eq!(list_roles(&admin, "shop", "berth").await.unwrap(), []);
    }
}

#[tokio::test]
async fn ensuring_a_database_twice_changes_only_the_password() {
    for lab in Lab::each(50) {
        let admin = lab.admin().await;
        let made = ensure(&admin, &names(1), OWNER, "old", 5).await.unwrap();
        assert_eq!(made.len(), 4, "{made:?}");
        let before = everything(&admin).await;
        assert_eq!(ensure(&admin, &names(1), OWNER, "new", 5).await.unwrap(), Vec::<String>::new());
        assert_eq!(everything(&admin).await, before);
        assert!(lab.connect_as("web_pr_1", "new", "web_pr_1").await.is_ok());
        assert!(lab.connect_as("web_pr_1", "old", "web_pr_1").await.is_err());
    }
}

#[tokio::test]
async fn two_attempts_at_once_agree() {
    for lab in Lab::each(50) {
        let (one, two) = (lab.admin().await, lab.admin().await);
        let wanted = names(1);
        let (first, second) =
            tokio::join!(ensure(&one, &wanted, OWNER, "same", 5), ensure(&two, &wanted, OWNER, "same", 5));
        // Either may fail and be tried again, as Temporal does.
        if first.is_err() || second.is_err() {
            ensure(&one, &wanted, OWNER, "same", 5).await.unwrap();
        }
        assert!(lab.connect_as("web_pr_1", "same", "web_pr_1_temporal").await.is_ok());
    }
}

#[tokio::test]
async fn role_is_limited_to_its_number_of_connections() {
    for lab in Lab::each(50) {
        ensure(&lab.admin().await, &names(1), OWNER, "one", 1).await.unwrap();
        let _first = lab.connect_as("web_pr_1", "one", "web_pr_1").await.unwrap();
        let second = lab.connect_as("web_pr_1", "one", "web_pr_1").await.map(drop).unwrap_err();
        assert!(second.as_db_error().unwrap().message().contains("too many connections for role"), "{second:?}");
    }
}

#[tokio::test]
async fn drop_leaves_nothing_despite_a_connected_client_and_can_run_twice() {
    for lab in Lab::each(50) {
        let admin = lab.admin().await;
        let before = everything(&admin).await;
        ensure(&admin, &names(1), OWNER, "one", 5).await.unwrap();
        let client = lab.connect_as("web_pr_1", "one", "web_pr_1").await.unwrap();
        let dropped = drop_all(&admin, &names(1), OWNER).await.unwrap();
        assert_eq!((dropped.gone.len(), dropped.were_there, dropped.foreign.len()), (4, true, 0), "{dropped:?}");
        assert_eq!(everything(&admin).await, before);
        assert!(client.simple_query("SELECT 1").await.is_err(), "its connection was ended");
        let again = drop_all(&admin, &names(1), OWNER).await.unwrap();
        assert_eq!((again.gone, again.were_there, again.foreign), (dropped.gone, false, dropped.foreign));
    }
}

#[tokio::test]
async fn foreign_role_or_database_is_never_taken_changed_or_dropped() {
    for lab in Lab::each(50) {
        let admin = lab.admin().await;
        admin.batch_execute("CREATE ROLE web_pr_1 LOGIN").await.unwrap();
        admin.batch_execute("CREATE DATABASE web_pr_1_temporal").await.unwrap();
        let before = everything(&admin).await;
        let refused = ensure(&admin, &names(1), OWNER, "one", 5).await.unwrap_err();
        assert!(matches!(refused, Failure::Permanent(_)) && message(&refused).contains("web_pr_1"), "{refused}");
        let dropped = drop_all(&admin, &names(1), OWNER).await.unwrap();
        assert!(
            dropped
                .foreign
                .iter()
                .any(|left| left.object == "Database/web_pr_1_temporal" && left.command.starts_with("DROP DATABASE")),
            "{dropped:?}"
        );
        assert!(
            dropped.foreign.iter().any(|left| left.object == "Role/web_pr_1" && left.command.contains("DROP ROLE")),
            "{dropped:?}"
        );
        assert_eq!(everything(&admin).await, before);
        admin.batch_execute("DROP ROLE web_pr_1").await.unwrap();
        let refused = ensure(&admin, &names(1), OWNER, "one", 5).await.unwrap_err();
        assert!(message(&refused).contains("web_pr_1_temporal"), "{refused}");
    }
}

#[tokio::test]
async fn full_or_absent_server_is_retried_and_a_wrong_password_is_permanent() {
    let mut lab = Lab::start(4); // Three of them are kept for superusers.
    let held: Vec<_> = [lab.admin().await, lab.admin().await, lab.admin().await, lab.admin().await].into();
    let full = lab.server.connect(&lab.credentials).await.map(drop).unwrap_err();
    assert!(message(&full).contains("too many clients"), "{full}");
    drop(held);
    let wrong = credentials((POSTGRES_USER, "wrong-password"), &lab.postgres.authority);
    let refused = lab.server.connect(&wrong).await.map(drop).unwrap_err();
    assert!(message(&refused).contains("password authentication failed"), "{refused}");
    assert!(!message(&refused).contains("wrong-password"), "{refused}");
    lab.postgres.stop().unwrap();
    let away = lab.server.connect(&lab.credentials).await.map(drop).unwrap_err();
    assert!(message(&away).contains("refused"), "{away}");
    assert!(matches!(refused, Failure::Permanent(_)), "{refused:?}");
    for failure in [full, away] {
        assert!(matches!(failure, Failure::Transient { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn drop_resumes_when_an_absent_server_is_back() {
    for mut lab in Lab::each(50) {
        ensure(&lab.admin().await, &names(1), OWNER, "one", 5).await.unwrap();
        let admin = lab.admin().await;
        lab.postgres.stop().unwrap();
        let away = drop_all(&admin, &names(1), OWNER).await.unwrap_err();
        assert!(matches!(away, Failure::Transient { .. }), "{away:?}");
        lab.postgres.start_again().unwrap();
        let admin = lab.admin().await;
        assert_eq!(drop_all(&admin, &names(1), OWNER).await.unwrap().foreign, []);
        assert_eq!(everything(&admin).await, Vec::<String>::new());
    }
}
