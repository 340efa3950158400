#define _POSIX_C_SOURCE 200809L /* clock_gettime under -std=c11 */
/* Teams of threads for one run of the core.
 *
 * (a) Workers are lent by one pool for the process and go back to it, so that a thousand small networks do
 *     not start a thousand threads, and two runs at once do not wait for each other.
 * (b) A barrier spins briefly, then sleeps: between two phases of a step there are microseconds, but a
 *     machine may have fewer processors than the team has threads.
 * (c) After fork() the child has none of the parent's threads: it starts with an empty pool. (OpenMP's pool
 *     would hang there.)
 */
#include "backprop.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define SPINS 4000 /* some tens of microseconds */

typedef struct worker {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bp_team *team; /* what to work for; NULL: sleep */
    int thread;
    struct worker *next; /* in the pool */
} worker;

struct bp_team {
    bp_task task;
    void *argument;
    int size;
    atomic_int arrived, sleepers, finished;
    atomic_uint phase;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static worker *idle_workers;

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void bp_barrier(bp_team *team)
{
    if (team->size == 1)
        return;
    const unsigned phase = atomic_load_explicit(&team->phase, memory_order_acquire);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == team->size) {
        atomic_store(&team->arrived, 0);
        atomic_fetch_add(&team->phase, 1);
        if (atomic_load(&team->sleepers) > 0) {
            pthread_mutex_lock(&team->lock);
            pthread_cond_broadcast(&team->wake);
            pthread_mutex_unlock(&team->lock);
        }
        return;
    }
    for (int spin = 0; spin < SPINS; ++spin) {
        if (atomic_load_explicit(&team->phase, memory_order_acquire) != phase)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->phase) == phase)
        pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->sleepers, 1);
    pthread_mutex_unlock(&team->lock);
}

static void give_back(worker *self)
{
    pthread_mutex_lock(&pool_lock);
    self->next = idle_workers;
    idle_workers = self;
    pthread_mutex_unlock(&pool_lock);
}

static void *work(void *argument)
{
    worker *self = argument;
    for (;;) {
        pthread_mutex_lock(&self->lock);
        while (!self->team)
            pthread_cond_wait(&self->wake, &self->lock);
        bp_team *team = self->team;
        const int thread = self->thread;
        self->team = NULL;
        pthread_mutex_unlock(&self->lock);

        team->task(team->argument, team, thread);
        give_back(self);
        atomic_fetch_add(&team->finished, 1); /* the last touch: the team is gone once all have said so */
    }
    return NULL;
}

/* A thread inherits what its creator blocks. Signals are for the program's own threads: Ctrl-C wakes the main
 * one from its sleep only if it is delivered there. Those of faults stay, or no handler could report them. */
static int create_without_signals(pthread_t *thread, const pthread_attr_t *attributes, worker *self)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int failed = pthread_create(thread, attributes, work, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static worker *new_worker(void)
{
    worker *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const int failed = create_without_signals(&thread, &attributes, self);
    pthread_attr_destroy(&attributes);
    if (failed) {
        free(self);
        return NULL;
    }
    return self;
}

static void forget_workers(void)
{
    pthread_mutex_init(&pool_lock, NULL);
    idle_workers = NULL;
}

static void lock_pool(void) { pthread_mutex_lock(&pool_lock); }
static void unlock_pool(void) { pthread_mutex_unlock(&pool_lock); }
static void watch_forks(void) { pthread_atfork(lock_pool, unlock_pool, forget_workers); }

static worker *borrow(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&pool_lock);
    worker *one = idle_workers;
    if (one)
        idle_workers = one->next;
    pthread_mutex_unlock(&pool_lock);
    return one ? one : new_worker();
}

static void start(worker *self, bp_team *team, int thread)
{
    pthread_mutex_lock(&self->lock);
    self->team = team;
    self->thread = thread;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
}

int bp_team_run(bp_task task, void *argument, int n_threads)
{
    bp_team team = {.task = task, .argument = argument, .size = n_threads};
    if (n_threads == 1) {
        task(argument, &team, 0);
        return 1;
    }
    worker *borrowed = NULL;
    for (int i = 1; i < n_threads; ++i) {
        worker *one = borrow();
        if (!one) {
            n_threads = team.size = i;
            break;
        }
        one->next = borrowed;
        borrowed = one;
    }
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.wake, NULL);
    for (int i = 1; i < n_threads; ++i) {
        worker *next = borrowed->next; /* read first: a worker that is done goes back to the pool's list */
        start(borrowed, &team, i);
        borrowed = next;
    }
    task(argument, &team, 0);
    while (atomic_load(&team.finished) < n_threads - 1)
        sched_yield();
    pthread_cond_destroy(&team.wake);
    pthread_mutex_destroy(&team.lock);
    return n_threads;
}

int bp_team_size(const bp_team *team) { return team->size; }

double bp_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
