// CUDA on a CPU: as much of it as the kernels of autograd/gpu use, one thread at a time, to notice their mistakes.
//
// Every CUDA thread is a fiber: a stack of its own, and a switch by hand instead of by the operating system. A block's
// fibers run one after the other, each up to its next barrier, where it gives way. That makes the order of events
// fixed, and mistakes that a GPU shows now and then show always:
//
//   a missing __syncthreads   shared memory is filled with NaN before each block, and a thread reads what the next ones
//                             have yet to write
//   a missing wait for an asynchronous copy    the copy takes place only at the wait
//   a barrier that not all threads reach       nothing can go on: reported with the lines where they stand
//   memory outside an array                    arrays lie between pages that may not be touched (glue.py): reported
//
// Not seen: what needs two threads at the same time, an access beyond one shared array that falls into another, and
// what costs time only. compute-sanitizer and a GPU are for these.
// The same text is compiled for both: launch syntax is not used, and all PTX is behind the functions at the end.
#pragma once
#define CUDA_ON_CPU
#ifndef EXITS_ALLOWED
#define EXITS_ALLOWED 0
#endif

#include <csetjmp>
#include <csignal>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <utility>
#ifndef __x86_64__
#include <ucontext.h>
#endif

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("shared_memory")))
extern char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

namespace cpu {

struct Index { int x, y, z; };
struct Copy { void* to; const void* from; int bytes; bool valid; };
constexpr int MOST_THREADS = 1024, STACK = 1 << 17, MOST_COPIES = 128, MOST_GROUPS = 8;
enum State { READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
  Index thread;
  int number;                  // in the block
  State state;
  int line;                    // of the barrier it waits at
  int exchanges;               // how many shuffles it has made
  Copy copies[MOST_COPIES];    // asynchronous ones that have not taken place yet
  int copied;                  // how many there are
  int groups[MOST_GROUPS];     // how many there were when each group was committed
  int committed;
#ifdef __x86_64__
  void* stack_pointer;
#else
  ucontext_t context;
#endif
  char* stack;
};

static Fiber fibers[MOST_THREADS];
static Fiber* current;
static Index grid, block_size, block_index;
static int threads;
static bool reversed;                          // lanes run last to first: the other order that can be tried
static float exchange[2][MOST_THREADS][8];     // what each lane of a warp shows the others; see `meet`
static void (*entry)(void**);
static void** arguments;
static sigjmp_buf escape;
static char message[512];

[[noreturn]] static void fail(const char* format, ...) {
  char text[384];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  const Index t = current ? current->thread : Index{0, 0, 0};
  snprintf(message, sizeof message, "%s (block %d,%d,%d thread %d,%d,%d)", text, block_index.x, block_index.y,
           block_index.z, t.x, t.y, t.z);
  siglongjmp(escape, 1);
}

// Switching between fibers

#ifdef __x86_64__
extern "C" void cpu_switch(void** save, void* load) __attribute__((visibility("hidden")));
asm(R"(
.text
.globl cpu_switch
.hidden cpu_switch
cpu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
static void* scheduler;
static void give_way() { cpu_switch(&current->stack_pointer, scheduler); }
static void resume(Fiber* fiber) { current = fiber; cpu_switch(&scheduler, fiber->stack_pointer); }
#else
static ucontext_t scheduler;
static void give_way() { swapcontext(&current->context, &scheduler); }
static void resume(Fiber* fiber) { current = fiber; swapcontext(&scheduler, &fiber->context); }
#endif

static void run_thread() {
  entry(arguments);
  current->state = DONE;
  give_way();
}

static void prepare(Fiber& fiber, int number) {
  if (!fiber.stack) {
    fiber.stack = (char*)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  const int x = number % block_size.x, y = number / block_size.x % block_size.y;
  fiber.thread = {x, y, number / (block_size.x * block_size.y)};
  fiber.number = number;
  fiber.state = READY;
  fiber.exchanges = fiber.copied = fiber.committed = 0;
#ifdef __x86_64__
  void** top = (void**)(fiber.stack + STACK) - 2;  // the return address, above it what a caller would have left
  top[0] = (void*)run_thread;
  top[1] = nullptr;
  fiber.stack_pointer = top - 6;                   // six registers
  memset(fiber.stack_pointer, 0, 6 * sizeof(void*));
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  makecontext(&fiber.context, run_thread, 0);
#endif
}

// Barriers. When every fiber of the block has come to a stop, those who may go on are released.

static void stop(State state, int line) {
  current->state = state;
  current->line = line;
  give_way();
}

// Whether fibers first..last-1 all stand at one barrier; a report if only some of them do. EXITS_ALLOWED: those that
// have ended need not come, as newer GPUs have it and kernels of others rely on; these may also meet at two lines.
static bool all_arrived(State state, int first, int last, const char* what) {
  int waiting = 0, line = 0, expected = 0;
  for (int i = first; i < last; ++i) {
    if (EXITS_ALLOWED && fibers[i].state == DONE) continue;
    ++expected;
    if (fibers[i].state == state) {
      line = waiting++ ? line : fibers[i].line;
      if (fibers[i].line != line && !EXITS_ALLOWED) {
        fail("divergent %s: threads wait at lines %d and %d", what, line, fibers[i].line);
      }
    }
  }
  if (waiting && waiting < expected) {
    fail("divergent %s: %d of %d threads wait at line %d", what, waiting, expected, line);
  }
  return waiting > 0;
}

static void release(int first, int last) {
  for (int i = first; i < last; ++i) {
    if (fibers[i].state != DONE) fibers[i].state = READY;
  }
}

static void run_block() {
  if (__start_shared_memory) memset(__start_shared_memory, 0xFF, __stop_shared_memory - __start_shared_memory);
  for (int i = 0; i < threads; ++i) prepare(fibers[i], i);
  for (int live = threads; live;) {
    for (int i = 0; i < threads; ++i) {
      Fiber& fiber = fibers[reversed ? threads - 1 - i : i];
      if (fiber.state != READY) continue;
      resume(&fiber);
      live -= fiber.state == DONE;
    }
    current = nullptr;
    bool released = false;
    for (int first = 0; first < threads; first += 32) {
      const int last = first + 32 < threads ? first + 32 : threads;
      if (all_arrived(AT_WARP, first, last, "warp operation")) {
        release(first, last);
        released = true;
      }
    }
    if (!released && live && all_arrived(AT_BLOCK, 0, threads, "__syncthreads")) release(0, threads);
  }
}

static void on_bad_address(int, siginfo_t* info, void*) { fail("access outside an array, at %p", info->si_addr); }

// Runs all blocks. Returns 0, or 1 and leaves a message.
static int launch(void (*kernel)(void**), const int* grid_, const int* block_, void** arguments_, int reversed_) {
  static char signal_stack[1 << 16];
  grid = {grid_[0], grid_[1], grid_[2]};
  block_size = {block_[0], block_[1], block_[2]};
  threads = block_size.x * block_size.y * block_size.z;
  entry = kernel, arguments = arguments_, reversed = reversed_;
  stack_t ours = {}, before = {};
  ours.ss_sp = signal_stack, ours.ss_size = sizeof signal_stack;
  struct sigaction action = {}, segv, bus;
  action.sa_sigaction = on_bad_address;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaltstack(&ours, &before);
  sigaction(SIGSEGV, &action, &segv);
  sigaction(SIGBUS, &action, &bus);
  const int failed = sigsetjmp(escape, 1);
  if (!failed) {
    for (int z = 0; z < grid.z; ++z)
      for (int y = 0; y < grid.y; ++y)
        for (int x = 0; x < grid.x; ++x) {
          block_index = {x, y, z};
          run_block();
        }
  }
  sigaction(SIGSEGV, &segv, nullptr);
  sigaction(SIGBUS, &bus, nullptr);
  sigaltstack(&before, nullptr);
  return failed;
}

// f(*arguments), each of the type that f's signature says
template <class... A, size_t... I> void apply(void (*f)(A...), void** a, std::index_sequence<I...>) {
  f(*(std::remove_const_t<A>*)a[I]...);
}
template <class... A> void call(void (*f)(A...), void** a) { apply(f, a, std::index_sequence_for<A...>()); }

// Warp operations. Each lane shows n numbers, then all see those of all: exchange[phase][lane of the block]. Two phases
// take turns, so that a lane that is one operation ahead does not overwrite what others have yet to read.
static float (*meet(const float* shown, int n, int line))[8] {
  const int phase = current->exchanges++ % 2;
  memcpy(exchange[phase][current->number], shown, n * sizeof(float));
  stop(AT_WARP, line);
  return exchange[phase] + current->number / 32 * 32;
}

template <class V> V shuffle(V value, int from, int line) {
  static_assert(sizeof(V) <= 8 * sizeof(float), "");
  float shown[8];
  memcpy(shown, &value, sizeof(V));
  float (*all)[8] = meet(shown, sizeof(V) / sizeof(float), line);
  memcpy(&value, all[from], sizeof(V));
  return value;
}

}  // namespace cpu

#define threadIdx (cpu::current->thread)
#define blockIdx (cpu::block_index)
#define blockDim (cpu::block_size)
#define gridDim (cpu::grid)
#define __syncthreads() cpu::stop(cpu::AT_BLOCK, __LINE__)
#define __syncwarp() cpu::stop(cpu::AT_WARP, __LINE__)
#define __shfl_xor_sync(mask, value, lanes, ...) cpu::shuffle(value, (cpu::current->number % 32) ^ (lanes), __LINE__)
#define __shfl_sync(mask, value, lane, ...) cpu::shuffle(value, lane, __LINE__)

// Functions of CUDA that C++ lacks

static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline void sincospi(float x, float* s, float* c) { *s = sinf(x * M_PI), *c = cosf(x * M_PI); }
static inline void sincospi(double x, double* s, double* c) { *s = sin(x * M_PI), *c = cos(x * M_PI); }
template <class V> V __ldg(const V* p) { return *p; }
template <class V> V min(V a, V b) { return b < a ? b : a; }
template <class V> V max(V a, V b) { return a < b ? b : a; }
using std::exp; using std::log; using std::sqrt; using std::fabs; using std::expm1; using std::isfinite;

// What ptx.cuh does with instructions, in scalars

// to = valid ? from : 0, at the wait for its group
template <int BYTES> void copy_async(void* to, const void* from, bool valid) {
  if ((uintptr_t)to % BYTES || (valid && (uintptr_t)from % BYTES)) cpu::fail("misaligned copy of %d bytes", BYTES);
  cpu::Fiber& fiber = *cpu::current;
  if (fiber.copied == cpu::MOST_COPIES) cpu::fail("more than %d copies under way", fiber.copied);
  fiber.copies[fiber.copied++] = {to, from, BYTES, valid};
}

static inline void commit_copies() {
  cpu::Fiber& fiber = *cpu::current;
  if (fiber.committed == cpu::MOST_GROUPS) cpu::fail("more than %d groups of copies", fiber.committed);
  fiber.groups[fiber.committed++] = fiber.copied;
}

// Waits until at most GROUPS of the groups committed last are under way.
template <int GROUPS> void wait_for_copies() {
  cpu::Fiber& fiber = *cpu::current;
  const int done = fiber.committed - GROUPS;
  if (done <= 0) return;
  const int landed = fiber.groups[done - 1];
  for (int i = 0; i < landed; ++i) {
    const cpu::Copy& copy = fiber.copies[i];
    if (copy.valid) memcpy(copy.to, copy.from, copy.bytes);
    else memset(copy.to, 0, copy.bytes);
  }
  fiber.copied -= landed;
  memmove(fiber.copies, fiber.copies + landed, fiber.copied * sizeof(cpu::Copy));
  for (int i = 0; i < GROUPS; ++i) fiber.groups[i] = fiber.groups[done + i] - landed;
  fiber.committed = GROUPS;
}

// The nearest number with the 10 bits of mantissa that TF32 has; ties away from zero.
static inline float to_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x1000u) & ~0x1FFFu;
  memcpy(&x, &bits, 4);
  return x;
}

// c += a b for a 16 x 8 and b 8 x 8, spread over a warp as PTX's mma.m16n8k8 has it: with g = lane / 4, t = lane % 4,
// a = (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4);  b = (t, g), (t + 4, g);  c = (g or g + 8, 2 t or 2 t + 1)
static inline void multiply_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
  const float shown[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const int lane = cpu::current->number % 32;
  float (*all)[8] = cpu::meet(shown, 6, __LINE__);
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 8; ++k) {
      c[i] += all[row * 4 + k % 4][i / 2 + k / 4 * 2] * all[column * 4 + k % 4][4 + k / 4];
    }
  }
}
