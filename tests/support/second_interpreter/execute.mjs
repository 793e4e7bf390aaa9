// Executes a state machine with aws-local-stepfunctions; jobs and objects are those of the server at "endpoint".
// Standard input: {definition, input, context, endpoint, variables, recorded}. Standard output: {status, output} or
// {status, error, cause}, and in "left" the names of the recorded jobs that nobody has submitted.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

// The interpreter wants Node 22.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const require = createRequire(`${process.env.FLOW_TEST_NODE_MODULES}/`);
const { StateMachine } = require("aws-local-stepfunctions");

const POLL = 100; // milliseconds
const LONGEST = 2_000_000; // seconds; a longer timeout overflows the timer
// The interpreter has no $$.State.RetryCount: this number stands for it until the call is made.
const RETRIES = 777000777;
// What the user wrote, not a structure of the API: its keys keep their letters.
const MAPS = new Set(["Tags", "tags", "Parameters", "parameters"]);

const { definition, input, context, endpoint, variables, recorded } = JSON.parse(readFileSync(0, "utf8"));
// Differs between two executions of the same name.
const OWN = "FLOW_SDK_EXECUTION";

class StateError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function renamed(value, letter) {
  if (Array.isArray(value)) return value.map((one) => renamed(one, letter));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [letter(key[0]) + key.slice(1), MAPS.has(key) ? one : renamed(one, letter)]),
  );
}

async function call(service, path, options) {
  // The server reads from the signature which service is meant.
  const scope = `123456789012/20260101/us-east-1/${service}/aws4_request`;
  const headers = { Authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` };
  return fetch(endpoint + path, { ...options, headers });
}

async function batch(action, body) {
  const answer = await call("batch", `/v1/${action}`, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new StateError("Batch.ClientException", await answer.text());
  return answer.json();
}

async function submitJob(parameters) {
  const request = renamed(parameters, (letter) => letter.toLowerCase());
  const overrides = (request.containerOverrides ??= {});
  const given = overrides.environment ?? [];
  for (const { name, value } of given) {
    if (typeof value !== "string") throw new StateError("States.Runtime", `${name} isn't a string`);
  }
  if (recorded) return ended(played(request, given));
  overrides.environment = [...given, ...Object.entries(variables).map(([name, value]) => ({ name, value }))];
  const { jobId } = await batch("submitjob", request);
  for (;;) {
    const job = (await batch("describejobs", { jobs: [jobId] })).jobs[0];
    if (job.status === "SUCCEEDED" || job.status === "FAILED") return ended(job);
    await sleep(POLL);
  }
}

function ended(job) {
  if (job.status === "FAILED") throw new StateError("States.TaskFailed", JSON.stringify(job));
  return renamed(job, (letter) => letter.toUpperCase());
}

// The recorded job that was submitted with just this request.
function played(request, given) {
  const at = recorded.findIndex((job) => {
    const has = Object.fromEntries(job.container.environment.map(({ name, value }) => [name, value]));
    return (
      job.jobName === request.jobName &&
      job.jobDefinition.includes(request.jobDefinition) &&
      given.every(({ name, value }) => name === OWN || has[name] === value) &&
      Object.entries(request.tags ?? {}).every(([name, value]) => job.tags[name] === value)
    );
  });
  if (at < 0) throw new StateError("Rig.NotRecorded", JSON.stringify(request));
  return recorded.splice(at, 1)[0];
}

async function getObject({ Bucket, Key }) {
  const answer = await call("s3", `/${Bucket}/${Key.split("/").map(encodeURIComponent).join("/")}`);
  if (answer.status === 404) throw new StateError("S3.NoSuchKeyException", Key);
  if (!answer.ok) throw new StateError("S3.S3Exception", await answer.text());
  return { Body: await answer.text(), ETag: answer.headers.get("etag") };
}

const RESOURCES = { "batch:submitJob.sync": submitJob, "aws-sdk:s3:getObject": getObject };
const handlers = {};
const failed = new Map();

function handler(name, resource) {
  const run = RESOURCES[resource.split(":::")[1]];
  if (!run) throw new Error(`no handler for ${resource}`);
  return async (parameters) => {
    const text = JSON.stringify(parameters);
    // The same call once more can only be a retry: state data tells all others apart.
    const key = `${name} ${text}`;
    const retries = failed.get(key) ?? 0;
    try {
      return await run(JSON.parse(text.replaceAll(String(RETRIES), String(retries))));
    } catch (error) {
      failed.set(key, retries + 1);
      throw error;
    }
  };
}

function prepare(machine) {
  if (machine.TimeoutSeconds > LONGEST) machine.TimeoutSeconds = LONGEST;
  for (const [name, state] of Object.entries(machine.States)) {
    if (state.TimeoutSeconds > LONGEST) state.TimeoutSeconds = LONGEST;
    if (state.Type === "Task") handlers[name] = handler(name, state.Resource);
    if (state.ItemReader) throw new Error(`${name}: distributed maps aren't supported`);
    (state.Branches ?? []).forEach(prepare);
    if (state.ItemProcessor) prepare(state.ItemProcessor);
  }
}

prepare(definition);
const execution = new StateMachine(definition).run(input, {
  overrides: { taskResourceLocalHandlers: handlers },
  context: { ...context, State: { RetryCount: RETRIES } },
});
let outcome;
try {
  outcome = { status: "SUCCEEDED", output: await execution.result };
} catch (thrown) {
  const error = thrown.name === "ExecutionError" ? thrown.cause : thrown;
  outcome = { status: "FAILED", error: error.name, cause: error.message };
}
outcome.left = recorded?.map((job) => job.jobName);
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
