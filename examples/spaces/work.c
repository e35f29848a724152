/* Some work that compilers differ in: planets that attract each other, a sieve, and sorting. Prints the seconds that it took. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BODIES = 32, STEPS = 1000, NUMBERS = 1 << 20, SORTED = 1 << 17 };

static double place[3][BODIES], speed[3][BODIES];
static char composite[NUMBERS];
static unsigned numbers[SORTED];

static void move(void) {
    for (int i = 0; i < BODIES; i++)
        for (int j = 0; j < BODIES; j++) {
            double x = place[0][j] - place[0][i], y = place[1][j] - place[1][i], z = place[2][j] - place[2][i];
            double square = x * x + y * y + z * z + 0.01, pull = 1e-5 / (square * sqrt(square));
            speed[0][i] += x * pull, speed[1][i] += y * pull, speed[2][i] += z * pull;
        }
    for (int axis = 0; axis < 3; axis++)
        for (int i = 0; i < BODIES; i++) place[axis][i] += speed[axis][i];
}

static int primes(void) {
    int found = 0;
    for (int i = 2; i < NUMBERS; i++) {
        found += !composite[i];
        for (int j = 2 * i; !composite[i] && j < NUMBERS; j += i) composite[j] = 1;
    }
    return found;
}

static void sort(int low, int high) {
    unsigned pivot = numbers[(low + high) / 2];
    int i = low, j = high;
    while (i <= j) {
        while (numbers[i] < pivot) i++;
        while (numbers[j] > pivot) j--;
        if (i <= j) {
            unsigned kept = numbers[i];
            numbers[i++] = numbers[j];
            numbers[j--] = kept;
        }
    }
    if (low < j) sort(low, j);
    if (i < high) sort(i, high);
}

int main(void) {
    struct timespec began, ended;
    for (int i = 0; i < 3 * BODIES; i++) place[i % 3][i / 3] = (double)(i * 7919 % 101) / 101;
    for (unsigned i = 0; i < SORTED; i++) numbers[i] = i * 2654435761u;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    for (int step = 0; step < STEPS; step++) move();
    int found = primes();
    sort(0, SORTED - 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    /* The results are looked at, or a compiler may leave out the work. */
    if (found != 82025 || numbers[0] > numbers[1] || !isfinite(place[0][0])) return 1;
    printf("%.6f\n", (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return 0;
}
