// GitHub's own client makes each call of the stand-in once, and writes a line for each one that it accepts.

import { pathToFileURL } from "node:url";

// The packages lie in the folder from which this runs.
const { Octokit } = await import(pathToFileURL(`${process.cwd()}/node_modules/@octokit/rest/dist-src/index.js`).href);

const baseUrl = process.env.GITHUB_API_URL;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const app = new Octokit({ auth: process.env.APP_TOKEN, baseUrl, log: quiet }).rest;
const octokit = new Octokit({ auth: process.env.GITHUB_TOKEN, baseUrl, log: quiet });
const { rest } = octokit;
const web = { owner: "acme", repo: "web" };
const head = process.env.HEAD_COMMIT;

async function call(name, made, accepted) {
  const answer = await made;
  if (!accepted(answer.data ?? answer)) throw new Error(`${name}: ${JSON.stringify(answer.data ?? answer)}`);
  console.log(name);
  return answer.data ?? answer;
}

await call("apps.getAuthenticated", app.apps.getAuthenticated(), (it) => it.slug === "berth");
const [installation] = await call("apps.listInstallations", app.apps.listInstallations(), (it) => it.length === 1);
const installation_id = installation.id;
await call("apps.getInstallation", app.apps.getInstallation({ installation_id }), (it) => it.id === installation_id);
await call("apps.getRepoInstallation", app.apps.getRepoInstallation(web), (it) => it.id === installation_id);
await call("apps.getOrgInstallation", app.apps.getOrgInstallation({ org: "acme" }), (it) => it.id === installation_id);
const narrow = { installation_id, repositories: ["web"], permissions: { checks: "write" } };
await call("apps.createInstallationAccessToken", app.apps.createInstallationAccessToken(narrow), (it) => it.repositories.length === 1);
await call("apps.listReposAccessibleToInstallation", rest.apps.listReposAccessibleToInstallation(), (it) => it.total_count === 1);

await call("meta.get", rest.meta.get(), (it) => "hooks" in it);
await call("rateLimit.get", rest.rateLimit.get(), (it) => it.rate.limit === 5000);
await call("users.getByUsername", rest.users.getByUsername({ username: "octocat" }), (it) => it.type === "User");
await call("repos.get", rest.repos.get(web), (it) => it.full_name === "acme/web");
const member = { ...web, username: "octocat" };
await call("repos.getCollaboratorPermissionLevel", rest.repos.getCollaboratorPermissionLevel(member), (it) => it.permission === "write");

const pulls = await octokit.paginate(rest.pulls.list, { ...web, per_page: 2 });
await call("pulls.list, all pages", pulls, (it) => it.length === 3);
await call("pulls.get", rest.pulls.get({ ...web, pull_number: 1 }), (it) => it.head.sha === head);

const of_pull = { ...web, issue_number: 1 };
const comment = await call("issues.createComment", rest.issues.createComment({ ...of_pull, body: "rolling out" }), (it) => it.user.type === "Bot");
const of_comment = { ...web, comment_id: comment.id };
await call("issues.getComment", rest.issues.getComment(of_comment), (it) => it.id === comment.id);
await call("issues.updateComment", rest.issues.updateComment({ ...of_comment, body: "live" }), (it) => it.body === "live");
await call("issues.listComments", rest.issues.listComments(of_pull), (it) => it.length === 1);
await call("issues.listCommentsForRepo", rest.issues.listCommentsForRepo(web), (it) => it.length === 1);
await call("reactions.createForIssueComment", rest.reactions.createForIssueComment({ ...of_comment, content: "eyes" }), (it) => it.content === "eyes");
await call("reactions.listForIssueComment", rest.reactions.listForIssueComment(of_comment), (it) => it.length === 1);
await call("issues.deleteComment", rest.issues.deleteComment(of_comment).then(({ status }) => ({ status })), (it) => it.status === 204);

const run = { ...web, name: "berth", head_sha: head, status: "in_progress", external_id: "preview-web-1" };
const check = await call("checks.create", rest.checks.create(run), (it) => it.status === "in_progress");
const of_check = { ...web, check_run_id: check.id };
const output = { title: "live", summary: "**live**" };
await call("checks.update", rest.checks.update({ ...of_check, conclusion: "success", output }), (it) => it.status === "completed");
await call("checks.get", rest.checks.get(of_check), (it) => it.output.title === "live");
const named = { ...web, ref: head, check_name: "berth", app_id: installation.app_id };
await call("checks.listForRef", rest.checks.listForRef(named), (it) => it.total_count === 1);

const preview = { ...web, ref: head, environment: "preview", task: "preview-web-1", transient_environment: true, auto_merge: false, required_contexts: [] };
const deployment = await call("repos.createDeployment", rest.repos.createDeployment(preview), (it) => it.sha === head);
const of_deployment = { ...web, deployment_id: deployment.id };
const status = { ...of_deployment, state: "success", environment_url: "https://example.com", description: "live" };
await call("repos.createDeploymentStatus", rest.repos.createDeploymentStatus(status), (it) => it.state === "success");
await call("repos.listDeploymentStatuses", rest.repos.listDeploymentStatuses(of_deployment), (it) => it.length === 1);
await call("repos.getDeployment", rest.repos.getDeployment(of_deployment), (it) => it.task === "preview-web-1");
await call("repos.listDeployments", rest.repos.listDeployments({ ...web, task: "preview-web-1" }), (it) => it.length === 1);

const query = `query($owner: String!, $repo: String!) {
  repository(owner: $owner, name: $repo) {
    pullRequests(states: OPEN, first: 100) { nodes { number headRefOid isDraft isCrossRepository updatedAt author { login } labels(first: 100) { nodes { name } } } }
    pr2: pullRequest(number: 2) { state }
  }
}`;
await call("graphql", octokit.graphql(query, web), (it) => it.repository.pullRequests.nodes.length === 3);

const refused = await rest.issues.createComment({ ...of_pull, body: " " }).catch((error) => error);
await call("a refusal is told", { status: refused.status }, (it) => it.status === 422);
