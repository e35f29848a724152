# Logistic regression trained by SGD with momentum, in awk: the program that gets tuned.
#
#     awk -f train.awk lr=0.1 l2=1e-4 cancer.csv            prints the log loss on the validation rows
#     awk -f train.awk lr=0.1 l2=1e-4 on=test cancer.csv    the same on the test rows
#
# A parameter that is not given is taken from the environment as `journaltune ask --format sh` names it (JT_lr), else it
# has the default below. The data is what ../data.py writes.

BEGIN {
    FS = ","
    # Assignments among the arguments come after BEGIN, so they win.
    lr = parameter("JT_lr", 0.01)
    l2 = parameter("JT_l2", 0.0001)
    momentum = parameter("JT_momentum", 0)
    batch = parameter("JT_batch", 32)
    epochs = parameter("JT_epochs", 20)
    seed = parameter("JT_SEED", 1)
    on = "valid"
}

$1 == "train" { train[++trained] = keep() }
$1 == on { score[++scored] = keep() }

END {
    if (!trained || !scored) {
        print "train.awk: no rows for train or for " on > "/dev/stderr"
        exit 2
    }
    srand(seed)
    for (epoch = 1; epoch <= epochs; epoch++) run_epoch()
    for (i = 1; i <= scored; i++) loss += log_loss(predict(score[i]), x[score[i]])
    loss /= scored
    # Not `loss != loss`: gawk calls two NaNs equal.
    if (loss < 1e300) printf "%.9g\n", loss
    else print "nan"
}

function parameter(name, otherwise) {
    return name in ENVIRON ? ENVIRON[name] : otherwise
}

# Rows stand one behind the other, label first: x[row, i] would make a string for each look. Returns where the row begins.
function keep(    i, row) {
    row = kept + 0
    features = NF - 2
    for (i = 0; i <= features; i++) x[kept++] = $(i + 2) + 0
    return row
}

function run_epoch(    i, j, row) {
    for (i = trained; i > 1; i--) {
        j = 1 + int(rand() * i)
        row = train[i]; train[i] = train[j]; train[j] = row
    }
    for (i = 1; i <= trained; i++) {
        add_gradient(train[i])
        if (i % batch == 0 || i == trained) step(i % batch ? i % batch : batch)
    }
}

# w[0] is the bias.
function predict(row,    i, z) {
    z = w[0]
    for (i = 1; i <= features; i++) z += w[i] * x[row + i]
    if (z > 35) z = 35
    if (z < -35) z = -35
    return 1 / (1 + exp(-z))
}

function log_loss(p, y) {
    return -log(y == 1 ? p : 1 - p)
}

function add_gradient(row,    i, error) {
    error = predict(row) - x[row]
    gradient[0] += error
    for (i = 1; i <= features; i++) gradient[i] += error * x[row + i]
}

function step(rows,    i) {
    for (i = 0; i <= features; i++) {
        velocity[i] = momentum * velocity[i] - lr * (gradient[i] / rows + (i ? l2 * w[i] : 0))
        w[i] += velocity[i]
        gradient[i] = 0
    }
}
