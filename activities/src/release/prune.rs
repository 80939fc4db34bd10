//! The activity `prune`. It runs after the gates, because the old pods may need the objects until then.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use kube::{ResourceExt, api::ListParams};

use berth_manifests::render::{Identity, KINDS, Kind, Object};
use berth_workflows::contract::{
    apply::{PruneInput, Pruned},
    environment::{ClusterObject, Environment, EnvironmentKind},
};

use crate::{
    context::Context,
    environment::default_requests,
    failure::Failure,
    kubernetes::{
        applyset::{self, Parent},
        fence::Fence,
        further_kind,
        guarded_delete::delete,
        kind_api::api_for_kind,
        labels,
        references::References,
    },
    release::{
        leftovers::{Contents, Kept, remove_contents},
        rendering::cluster_object,
        stored_release::StoredRelease,
    },
};

/// The kind of a claim. Its volume holds data that no release can make again.
const CLAIM: &str = "PersistentVolumeClaim";
/// The kind of a class.
const CLASS: &str = "PriorityClass";

/// Removes members of the environment's set that the release lacks. Removes stored releases, and secrets that no kept
/// release and no pod needs. In production claims stay, and are reported. After a rollback Jobs stay, until the next release.
///
/// Idempotent: removed objects are not listed again.
///
/// # Errors
/// `Overtaken`, permanent, if a newer rollout has claimed the set: its objects are not this release's.
pub async fn prune(context: Context<'_>, prune: &PruneInput) -> Result<Pruned, Failure> {
    let environment = &prune.environment;
    let release = StoredRelease::load(context.client, &environment.namespace, &prune.stored_release).await?;
    context.progress.report("looking for objects that the release does not have");
    let parent = applyset::read(context.client, environment).await?;
    let fence = (prune.deploy_id > 0).then(|| Fence::new(prune.deploy_id));
    if let Some(fence) = fence {
        fence.check(parent.iter().map(Parent::fenced))?;
    }
    let kinds: BTreeSet<String> = parent.iter().flat_map(|parent| &parent.kinds).cloned().collect();
    let has_classes = kinds.iter().any(|kind| kind.starts_with(CLASS));
    let references = match has_classes {
        true => References::find(context.client, &environment.namespace).await?,
        false => References::default(),
    };
    let identities = release.identities();
    let members = Members { environment, identities, fence, references, keeps_jobs: prune.rollback };
    let Leftovers { mut removed, reported, classes, kinds: left } = prune_members(context, &members, &kinds).await?;
    if removed.iter().any(|name| name.starts_with("LimitRange/")) {
        // Containers without requests need berth's again.
        default_requests::adapt(context, environment, &[]).await?;
    }
    let names = prune.keep.iter().cloned().chain([prune.stored_release.clone()]).collect();
    let kept = Kept { names, proven: prune.keep_proven };
    let contents = Contents::list(context.client, &environment.namespace, &kept).await?;
    removed.extend(remove_contents(context.client, &environment.namespace, contents).await?);
    let objects: Vec<_> = release.objects.iter().map(|document| Object::new("", 0, document.clone())).collect();
    let mut kinds: BTreeSet<String> = objects.iter().map(Object::group_kind).collect();
    // The next prune has to look there again.
    kinds.extend(left);
    applyset::set_kinds(context, environment, parent.as_ref(), &kinds).await?;
    let cluster_objects = objects.iter().filter_map(cluster_object).chain(classes).collect();
    Ok(Pruned { removed, reported, cluster_objects })
}

/// The objects that stay.
struct Members<'a> {
    environment: &'a Environment,
    identities: BTreeSet<Identity>,
    /// The fence of the rollout. Objects of a newer one stay.
    fence: Option<Fence>,
    /// Names that pods refer to. Only those of classes count here.
    references: References,
    keeps_jobs: bool,
}

/// Objects that the release lacks.
#[derive(Default)]
struct Leftovers {
    removed: Vec<String>,
    /// Claims that stay all the same.
    reported: Vec<String>,
    /// Classes that pods still name.
    classes: Vec<ClusterObject>,
    /// The kinds of objects that stay all the same, as the set names them.
    kinds: BTreeSet<String>,
}

async fn prune_members(
    context: Context<'_>,
    members: &Members<'_>,
    group_kinds: &BTreeSet<String>,
) -> Result<Leftovers, Failure> {
    let mut kinds: Vec<Kind> = KINDS.iter().filter(|kind| group_kinds.contains(&kind.group_kind())).cloned().collect();
    for further in group_kinds.iter().filter(|name| !KINDS.iter().any(|kind| kind.group_kind() == **name)) {
        kinds.extend(further_kind::find(context.client, further).await?);
    }
    let pruned = try_join_all(kinds.iter().map(|kind| prune_kind(context, members, kind))).await?;
    Ok(pruned.into_iter().fold(Leftovers::default(), |mut all, kind| {
        all.removed.extend(kind.removed);
        all.reported.extend(kind.reported);
        all.classes.extend(kind.classes);
        all.kinds.extend(kind.kinds);
        all
    }))
}

async fn prune_kind(context: Context<'_>, members: &Members<'_>, kind: &Kind) -> Result<Leftovers, Failure> {
    let environment = members.environment;
    let api = api_for_kind(context.client, kind, &environment.namespace);
    let selector = format!("{}={}", labels::APPLYSET_PART_OF, labels::applyset_id(&environment.namespace));
    let listed = api
        .list_metadata(&ListParams::default().labels(&selector))
        .await
        .map_err(|e| Failure::kubernetes(format!("listing {}", kind.plural), e))?;
    let mut leftovers = Leftovers::default();
    for object in listed.items {
        let is_member = members.identities.iter().any(|member| {
            // The kind may have another version in the release: it is the same object.
            member.is_of(kind) && member.name == object.name_any()
        });
        // Anybody may write the set's label on a cluster-scoped object.
        let is_foreign =
            !kind.namespaced && !labels::belongs_to(object.labels(), environment, &context.settings.installation);
        // Owned objects are deleted by their owner (KEP-3659): Kubernetes copies labels to objects that it creates.
        let is_owned = !object.owner_references().is_empty();
        let is_newer = members.fence.is_some_and(|fence| fence.is_behind(object.labels()));
        if is_member || is_foreign || is_owned || is_newer || object.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let name = format!("{}/{}", kind.kind, object.name_any());
        if kind.kind == CLASS && members.references.priority_classes.contains(&object.name_any()) {
            // A pod that its strategy keeps is made again by its controller.
            leftovers.kinds.insert(kind.group_kind());
            leftovers.classes.push(ClusterObject {
                api_version: kind.api_version(),
                kind: kind.kind.to_string(),
                name: object.name_any(),
            });
            continue;
        }
        let is_claim = kind.kind == CLAIM && environment.kind == EnvironmentKind::Production;
        if is_claim || (members.keeps_jobs && kind.kind == "Job") {
            leftovers.kinds.insert(kind.group_kind());
            leftovers.reported.extend(is_claim.then_some(name));
            continue;
        }
        delete(&api, &object.metadata, &kind.kind).await?;
        leftovers.removed.push(name);
    }
    Ok(leftovers)
}

#[cfg(test)]
mod tests;
