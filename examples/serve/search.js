// A search from Node: `node search.js 30` ends with 30 trials, however often it was killed on the way.
const { spawn } = require("node:child_process");
const readline = require("node:readline");

const server = spawn("journaltune", ["serve", "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
readline.createInterface({ input: server.stdout }).on("line", (line) => {
  const answer = JSON.parse(line);
  const [resolve, reject] = waiting.get(answer.id);
  waiting.delete(answer.id);
  answer.error ? reject(Object.assign(new Error(answer.error.message), answer.error)) : resolve(answer.result);
});

let id = 0;
const call = (method, params) =>
  new Promise((...settle) => {
    waiting.set(++id, settle);
    server.stdin.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
  });

// The loss after each of four steps; undefined when the trial is not worth going on.
async function train(number, { x, y }) {
  let loss;
  for (let step = 1; step <= 4; step++) {
    loss = (x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2) + 1 / step;
    if ((await call("report", [number, step, loss])) === "prune") return undefined;
  }
  return loss;
}

async function search(trials) {
  const param = { x: "float(-1, 1)", y: "float(-1, 1)" };
  await call("create", { param, sampler: "tpe", seed: 42, exist_ok: true });
  for (;;) {
    let trial;
    try {
      trial = await call("ask", { trials });
    } catch (error) {
      if (error.code === 11) break; // nothing left to ask
      throw error;
    }
    const loss = await train(trial.number, trial.params);
    await call("tell", loss === undefined ? { number: trial.number, state: "pruned" } : [trial.number, loss]);
  }
  const best = await call("best");
  console.log(`best: trial ${best.number} with ${best.value}`);
}

search(Number(process.argv[2] ?? 30))
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => server.stdin.end());
