// A neural network that learns XOR with noise. `journaltune run` sets the variables that it reads.
const fs = require("fs");
const params = JSON.parse(process.env.JT_PARAMS || '{"lr": 0.1, "hidden": 4, "activation": "tanh"}');

// Mulberry32: the same seed gives the same numbers everywhere.
let state = Number(process.env.JT_SEED || 1);
function random() {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

const act = { tanh: Math.tanh, relu: (z) => Math.max(0, z) }[params.activation];
const slope = { tanh: (a) => 1 - a * a, relu: (a) => (a > 0 ? 1 : 0) }[params.activation];
const rows = Array.from({ length: 200 }, () => {
    const [a, b] = [random() < 0.5 ? 0 : 1, random() < 0.5 ? 0 : 1];
    return { x: [a + random() * 0.4 - 0.2, b + random() * 0.4 - 0.2], y: a ^ b };
});
const hidden = Array.from({ length: params.hidden }, () => [random() - 0.5, random() - 0.5, 0]);
const output = Array.from({ length: params.hidden + 1 }, () => random() - 0.5);

function forward(x) {
    const h = hidden.map((w) => act(w[0] * x[0] + w[1] * x[1] + w[2]));
    const z = h.reduce((sum, value, i) => sum + value * output[i], output[params.hidden]);
    return { h, p: 1 / (1 + Math.exp(-z)) };
}

function loss(part) {
    const each = part.map(({ x, y }) => -Math.log(Math.max(y ? forward(x).p : 1 - forward(x).p, 1e-12)));
    return each.reduce((a, b) => a + b, 0) / each.length;
}

const [train, valid] = [rows.slice(0, 150), rows.slice(150)];
for (let epoch = 1; epoch <= 30; epoch++) {
    for (const { x, y } of train) {
        const { h, p } = forward(x);
        hidden.forEach((w, i) => {
            const gradient = (p - y) * output[i] * slope(h[i]);
            w[0] -= params.lr * gradient * x[0];
            w[1] -= params.lr * gradient * x[1];
            w[2] -= params.lr * gradient;
        });
        h.forEach((value, i) => (output[i] -= params.lr * (p - y) * value));
        output[params.hidden] -= params.lr * (p - y);
    }
    console.log(`[journaltune] ${JSON.stringify({ step: epoch, value: loss(valid) })}`);
}

const result = { value: Number.isFinite(loss(valid)) ? loss(valid) : "nan", attrs: { epochs: 30, node: process.version } };
if (process.env.JT_RESULT) fs.writeFileSync(process.env.JT_RESULT, JSON.stringify(result));
else console.log(result.value);
