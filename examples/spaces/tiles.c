/* c = a . b for matrices of N x N, tile by tile. Prints the seconds that it took. Sizes are constants, for the compiler to use. */
#include <stdio.h>
#include <time.h>

#define TEXT(x) #x
#define PRAGMA(x) _Pragma(TEXT(x))

static double a[N][N], b[N][N], c[N][N];

static void tile(int i0, int k0, int j0) {
    for (int i = i0; i < i0 + ROWS; i++)
        for (int k = k0; k < k0 + INNER; k++) {
            double factor = a[i][k];
            PRAGMA(GCC unroll UNROLL)
            for (int j = j0; j < j0 + COLUMNS; j++) c[i][j] += factor * b[k][j];
        }
}

static void multiply(void) {
#ifdef ORDER_ikj
    for (int i = 0; i < N; i += ROWS)
        for (int k = 0; k < N; k += INNER)
#else
    for (int k = 0; k < N; k += INNER)
        for (int i = 0; i < N; i += ROWS)
#endif
            for (int j = 0; j < N; j += COLUMNS) tile(i, k, j);
}

int main(void) {
    struct timespec began, ended;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = i - j, b[i][j] = i == j;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    for (int round = 0; round < 3; round++) multiply();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    /* b is the identity, so three rounds add up to 3 a. */
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (c[i][j] != 3 * a[i][j]) return 1;
    printf("%.6f\n", (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return 0;
}
