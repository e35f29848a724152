/* A neural network with one hidden layer, trained by SGD with momentum: the C program that gets tuned.
 *
 *     cc -O2 -o train train.c -lm
 *     ./train lr=0.05 hidden=64 digits.csv        prints the share of validation examples that it gets wrong
 *     ./train lr=0.05 on=test digits.csv          the same on the test examples
 *     ./train lr=0.05 metric=loss report=1 digits.csv    their mean cross-entropy, and a line of it after each epoch, as
 *                                                        `journaltune run` reads it for a pruner
 *
 * Every parameter is taken from the command line (name=value), else from the environment as `journaltune ask --format sh`
 * names it (JT_lr), else it has the default of scikit-learn's MLPClassifier(solver="sgd") and 30 epochs. The data is what
 * ../data.py writes.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10, MAX_FEATURES = 256, MAX_HIDDEN = 512, MAX_LINE = 1 << 14 };

typedef struct { int label; float x[MAX_FEATURES]; } Example;
typedef struct { Example *items; size_t count, room; } Set;

/* One layer: out = in . w + b. The last row of w is b; v is the velocity, g the gradient, both shaped like w. */
typedef struct { size_t in, out; float *w, *v, *g; } Layer;

static struct {
    double lr, momentum, l2, batch, hidden, epochs, seed, report;
    const char *activation, *on, *metric;
} option = { 0.001, 0.9, 1e-4, 200, 100, 30, 1, 0, "relu", "valid", "error" };

static const struct { const char *name; double *number; const char **word; } known[] = {
    { "lr", &option.lr, NULL },         { "momentum", &option.momentum, NULL }, { "l2", &option.l2, NULL },
    { "batch", &option.batch, NULL },   { "hidden", &option.hidden, NULL },     { "epochs", &option.epochs, NULL },
    { "seed", &option.seed, NULL },     { "activation", NULL, &option.activation }, { "on", NULL, &option.on },
    { "report", &option.report, NULL }, { "metric", NULL, &option.metric },
};

static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("train: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(2);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) die("out of memory");
    return memory;
}

static void set_option(const char *name, size_t length, const char *value) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != length || strncmp(known[i].name, name, length)) continue;
        if (known[i].word) { *known[i].word = value; return; }
        char *end;
        *known[i].number = strtod(value, &end);
        if (end == value || *end) die("%s is not a number: %s", known[i].name, value);
        return;
    }
    die("no such parameter: %.*s", (int)length, name);
}

static void read_options(int argc, char **argv) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char variable[32];
        /* ask names the trainer's seed JT_SEED; the parameters keep their own spelling. */
        snprintf(variable, sizeof variable, "JT_%s", strcmp(known[i].name, "seed") ? known[i].name : "SEED");
        const char *value = getenv(variable);
        if (value) set_option(known[i].name, strlen(known[i].name), value);
    }
    for (int i = 1; i < argc - 1; i++) {
        const char *equals = strchr(argv[i], '=');
        if (!equals) die("not name=value: %s", argv[i]);
        set_option(argv[i], (size_t)(equals - argv[i]), equals + 1);
    }
    if (option.hidden < 1 || option.hidden > MAX_HIDDEN) die("hidden is not in 1..%d", MAX_HIDDEN);
    if (option.batch < 1) die("batch is less than 1");
    if (strcmp(option.activation, "relu") && strcmp(option.activation, "tanh")) die("activation is relu or tanh");
    if (strcmp(option.metric, "error") && strcmp(option.metric, "loss")) die("metric is error or loss");
}

static size_t add_example(Set *set, const char *fields) {
    if (set->count == set->room) {
        set->room = set->room ? 2 * set->room : 256;
        set->items = realloc(set->items, set->room * sizeof *set->items);
        if (!set->items) die("out of memory");
    }
    Example *example = &set->items[set->count++];
    char *end;
    size_t features = 0;
    example->label = (int)strtol(fields, &end, 10);
    if (example->label < 0 || example->label >= CLASSES) die("class %d is not in 0..%d", example->label, CLASSES - 1);
    while (*end == ',' && features < MAX_FEATURES) example->x[features++] = strtof(end + 1, &end);
    return features;
}

/* Fills both sets from the rows whose first field names them; returns the number of features. */
static size_t read_data(const char *path, Set *train, Set *scored) {
    static char line[MAX_LINE];
    FILE *file = fopen(path, "r");
    size_t features = 0;
    if (!file) die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        char *comma = strchr(line, ',');
        if (!comma) continue;
        *comma = 0;
        if (!strcmp(line, "train")) features = add_example(train, comma + 1);
        if (!strcmp(line, option.on)) add_example(scored, comma + 1);
    }
    fclose(file);
    if (!train->count || !scored->count) die("%s has no rows for train or for %s", path, option.on);
    return features;
}

static uint64_t random_state;

static uint64_t draw(void) { /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(void) { return (double)(draw() >> 11) / 9007199254740992.0; }

static Layer new_layer(size_t in, size_t out) {
    size_t size = (in + 1) * out;
    Layer layer = { in, out, allocate(size, sizeof(float)), allocate(size, sizeof(float)), allocate(size, sizeof(float)) };
    double bound = sqrt(6.0 / (double)(in + out)); /* Glorot and Bengio 2010, equation 16 */
    for (size_t i = 0; i < in * out; i++) layer.w[i] = (float)((2 * uniform() - 1) * bound);
    return layer;
}

static void forward(const Layer *layer, const float *in, float *out) {
    memcpy(out, layer->w + layer->in * layer->out, sizeof(float) * layer->out);
    for (size_t i = 0; i < layer->in; i++) {
        const float *row = layer->w + i * layer->out;
        for (size_t j = 0; j < layer->out; j++) out[j] += in[i] * row[j];
    }
}

/* Adds the gradient for one example, given d(loss)/d(out); writes d(loss)/d(in) unless that is NULL. */
static void backward(Layer *layer, const float *in, const float *d_out, float *d_in) {
    for (size_t i = 0; i <= layer->in; i++) {
        float value = i < layer->in ? in[i] : 1;
        float *gradient = layer->g + i * layer->out;
        for (size_t j = 0; j < layer->out; j++) gradient[j] += value * d_out[j];
    }
    for (size_t i = 0; d_in && i < layer->in; i++) {
        const float *row = layer->w + i * layer->out;
        d_in[i] = 0;
        for (size_t j = 0; j < layer->out; j++) d_in[i] += row[j] * d_out[j];
    }
}

static void update(Layer *layer, float examples) {
    size_t weights = layer->in * layer->out, size = weights + layer->out;
    float lr = (float)option.lr, momentum = (float)option.momentum, l2 = (float)option.l2;
    for (size_t i = 0; i < size; i++) {
        float gradient = layer->g[i] / examples + (i < weights ? l2 * layer->w[i] : 0);
        layer->v[i] = momentum * layer->v[i] - lr * gradient;
        layer->w[i] += layer->v[i];
        layer->g[i] = 0;
    }
}

static void activate(float *hidden, size_t count, int relu) {
    for (size_t i = 0; i < count; i++) hidden[i] = relu ? (hidden[i] > 0 ? hidden[i] : 0) : tanhf(hidden[i]);
}

static void softmax(float *logits) {
    float largest = logits[0], sum = 0;
    for (int i = 1; i < CLASSES; i++) largest = fmaxf(largest, logits[i]);
    for (int i = 0; i < CLASSES; i++) sum += logits[i] = expf(logits[i] - largest);
    for (int i = 0; i < CLASSES; i++) logits[i] /= sum;
}

static void learn(Layer *first, Layer *second, const Example *example, int relu) {
    float hidden[MAX_HIDDEN], output[CLASSES], d_hidden[MAX_HIDDEN];
    forward(first, example->x, hidden);
    activate(hidden, first->out, relu);
    forward(second, hidden, output);
    softmax(output);
    output[example->label] -= 1; /* now d(cross-entropy)/d(logits) */
    backward(second, hidden, output, d_hidden);
    for (size_t i = 0; i < first->out; i++) d_hidden[i] *= relu ? (float)(hidden[i] > 0) : 1 - hidden[i] * hidden[i];
    backward(first, example->x, d_hidden, NULL);
}

static void train_epoch(Layer *first, Layer *second, const Set *set, size_t *order, int relu) {
    size_t batch = (size_t)option.batch, start, i;
    for (i = set->count - 1; i > 0; i--) {
        size_t other = (size_t)(draw() % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (start = 0; start < set->count; start += batch) {
        size_t end = start + batch < set->count ? start + batch : set->count;
        for (i = start; i < end; i++) learn(first, second, &set->items[order[i]], relu);
        update(first, (float)(end - start));
        update(second, (float)(end - start));
    }
}

/* The share of examples whose largest output is not their class, or their mean cross-entropy; NaN where training diverged. */
static double score(const Layer *first, const Layer *second, const Set *set, int relu) {
    size_t wrong = 0;
    double loss = 0;
    for (size_t i = 0; i < set->count; i++) {
        float hidden[MAX_HIDDEN], output[CLASSES];
        int best = 0;
        forward(first, set->items[i].x, hidden);
        activate(hidden, first->out, relu);
        forward(second, hidden, output);
        for (int j = 0; j < CLASSES; j++) {
            if (!isfinite(output[j])) return NAN;
            if (output[j] > output[best]) best = j;
        }
        wrong += best != set->items[i].label;
        softmax(output);
        loss -= log(fmax(output[set->items[i].label], 1e-30));
    }
    return (strcmp(option.metric, "loss") ? (double)wrong : loss) / (double)set->count;
}

int main(int argc, char **argv) {
    if (argc < 2) die("usage: train [name=value ...] DATA.csv");
    read_options(argc, argv);
    Set train = { 0 }, scored = { 0 };
    size_t features = read_data(argv[argc - 1], &train, &scored);
    int relu = !strcmp(option.activation, "relu");
    random_state = (uint64_t)option.seed;
    Layer first = new_layer(features, (size_t)option.hidden), second = new_layer((size_t)option.hidden, CLASSES);
    size_t *order = allocate(train.count, sizeof *order);
    for (size_t i = 0; i < train.count; i++) order[i] = i;
    for (int epoch = 1; epoch <= (int)option.epochs; epoch++) {
        train_epoch(&first, &second, &train, order, relu);
        if (!option.report) continue;
        double value = score(&first, &second, &scored, relu);
        printf(isfinite(value) ? "[journaltune] {\"step\": %d, \"value\": %.9g}\n" : "[journaltune] {\"step\": %d, \"value\": \"nan\"}\n",
               epoch, value);
        fflush(stdout);
    }
    printf("%.9g\n", score(&first, &second, &scored, relu));
    return 0;
}
