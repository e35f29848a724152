/* A search from C: `cc search.c -o search && ./search 30` ends with 30 trials, however often it was killed on the way. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *requests, *answers;
static char *answer;
static size_t capacity;

static pid_t start(void) {
    int to[2], from[2];
    if (pipe(to) || pipe(from)) exit(1);
    pid_t child = fork();
    if (child == 0) {
        dup2(to[0], 0), dup2(from[1], 1);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execlp("journaltune", "journaltune", "serve", "--stdio", (char *)NULL);
        perror("journaltune"), _exit(127);
    }
    close(to[0]), close(from[1]);
    requests = fdopen(to[1], "w"), answers = fdopen(from[0], "r");
    return child;
}

/* Reads the answer to a call. Its exit code: 0, or that of the error. */
static int call(const char *method, const char *params) {
    fprintf(requests, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}\n", method, params);
    fflush(requests);
    if (getline(&answer, &capacity, answers) < 0) fprintf(stderr, "the server is gone\n"), exit(1);
    const char *error = strstr(answer, "\"error\": {\"code\": ");
    return error ? atoi(error + strlen("\"error\": {\"code\": ")) : 0;
}

static void must(const char *method, const char *params) {
    if (call(method, params)) fputs(answer, stderr), exit(1);
}

static double number(const char *name) {
    char key[32];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *found = strstr(answer, key);
    return found ? strtod(found + strlen(key), NULL) : 0;
}

/* The loss after each of four steps; 0 when the trial is not worth going on. */
static int train(int trial, double x, double y, double *loss) {
    char params[128];
    for (int step = 1; step <= 4; step++) {
        *loss = (x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2) + 1.0 / step;
        snprintf(params, sizeof params, "[%d, %d, %.17g]", trial, step, *loss);
        must("report", params);
        if (strstr(answer, "\"prune\"")) return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    char params[128];
    double loss;
    signal(SIGPIPE, SIG_IGN);
    pid_t server = start();
    must("create", "{\"param\": {\"x\": \"float(-1, 1)\", \"y\": \"float(-1, 1)\"},"
                   " \"sampler\": \"tpe\", \"seed\": 42, \"exist_ok\": true}");
    for (;;) {
        snprintf(params, sizeof params, "{\"trials\": %d}", argc > 1 ? atoi(argv[1]) : 30);
        int code = call("ask", params);
        if (code == 11) break; /* nothing left to ask */
        if (code) fputs(answer, stderr), exit(1);
        int trial = (int)number("number");
        if (train(trial, number("x"), number("y"), &loss))
            snprintf(params, sizeof params, "[%d, %.17g]", trial, loss);
        else
            snprintf(params, sizeof params, "{\"number\": %d, \"state\": \"pruned\"}", trial);
        must("tell", params);
    }
    must("best", "{}");
    printf("best: trial %d with %.17g\n", (int)number("number"), number("value"));
    fclose(requests);
    waitpid(server, NULL, 0);
    return 0;
}
