// The CUDA driver, its runtime and NVRTC as one library that needs no GPU: as much as CuPy calls of them. See build.py.
//
// Device memory is the process's, filled with NaN when it is taken and when it is given back. A "cubin" is the path of
// a shared library, which compile.py makes of a kernel's source; a launch calls it. Streams do their work at once,
// except while they are captured: then it is put on a list, which a graph replays.
//
// Refused, as CUDA refuses it, with a line on stderr: copies of the wrong kind or beyond an allocation; launches larger
// than a GPU takes; in a capture, copies between host and device, waiting, and events of another stream.
// CUPY_ON_CPU_LOG=1 writes a line for every launch. launch_hook, if set, is called before each.
#include <dlfcn.h>
#include <driver_types.h>  // of CUDA: cudaDeviceProp

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

enum Error {  // cuda.h
  SUCCESS = 0, INVALID_VALUE = 1, INVALID_IMAGE = 200, INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700,
  NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_ISOLATION = 905
};
enum CopyKind { HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2, DEVICE_TO_DEVICE = 3 };
constexpr size_t MEMORY = size_t(1) << 34, MOST_SHARED = 48 << 10;
constexpr int VERSION = 13000, MULTIPROCESSORS = 132, DISABLE_TIMING = 2;

static int last_error = SUCCESS;

static int fail(int error, const std::string& what) {
  fprintf(stderr, "[cuda on cpu] error %d: %s\n", error, what.c_str());
  return last_error = error;
}

#define NONE(name) \
  API int name() { return fail(NOT_SUPPORTED, #name); }

static bool logging() {
  static const bool on = getenv("CUPY_ON_CPU_LOG");
  return on;
}

// Errors and the device

API const char* cudaGetErrorName(int error) {
  static char text[32];
  snprintf(text, sizeof text, "CUDA error %d", error);
  return text;
}
API const char* cudaGetErrorString(int) { return "see the line of [cuda on cpu] above"; }
API int cuGetErrorName(int error, const char** text) { return *text = cudaGetErrorName(error), SUCCESS; }
API int cuGetErrorString(int error, const char** text) { return *text = cudaGetErrorString(error), SUCCESS; }
API int cudaGetLastError() {
  const int error = last_error;
  return last_error = SUCCESS, error;
}
API int cudaDriverGetVersion(int* version) { return *version = VERSION, SUCCESS; }
API int cudaRuntimeGetVersion(int* version) { return *version = VERSION, SUCCESS; }
API int cudaGetDevice(int* device) { return *device = 0, SUCCESS; }
API int cudaSetDevice(int) { return SUCCESS; }
API int cudaGetDeviceCount(int* count) { return *count = 1, SUCCESS; }
API int cudaDeviceGetAttribute(int* value, int attribute, int) {
  static const std::map<int, int> values = {  // an H100's, by cudaDeviceAttr
      {1, 1024}, {2, 1024}, {5, 2147483647}, {8, int(MOST_SHARED)}, {10, 32}, {16, MULTIPROCESSORS}, {75, 9}, {76, 0}};
  const auto found = values.find(attribute);
  return *value = found == values.end() ? 0 : found->second, SUCCESS;
}
API int cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  strcpy(properties->name, "CPU");
  properties->totalGlobalMem = MEMORY, properties->sharedMemPerBlock = MOST_SHARED;
  properties->warpSize = 32, properties->maxThreadsPerBlock = 1024;
  properties->multiProcessorCount = MULTIPROCESSORS, properties->major = 9;
  return SUCCESS;
}
NONE(cudaDeviceGetByPCIBusId)
NONE(cudaDeviceGetPCIBusId)
NONE(cudaDeviceCanAccessPeer)
NONE(cudaDeviceEnablePeerAccess)
NONE(cudaDeviceDisablePeerAccess)
NONE(cudaDeviceGetLimit)
NONE(cudaDeviceSetLimit)
NONE(cudaIpcCloseMemHandle)
NONE(cudaIpcGetEventHandle)
NONE(cudaIpcGetMemHandle)
NONE(cudaIpcOpenEventHandle)
NONE(cudaIpcOpenMemHandle)
API int cuCtxGetCurrent(void** context) { return *context = (void*)1, SUCCESS; }
API int cuCtxSetCurrent(void*) { return SUCCESS; }
API int cuCtxGetDevice(int* device) { return *device = 0, SUCCESS; }
API int cuStreamGetCtx(void*, void** context) { return *context = (void*)1, SUCCESS; }

// Streams, events and graphs

typedef std::vector<std::function<int()>> Graph;

struct Stream {
  std::shared_ptr<Graph> capture;
  bool broken = false;
};

struct Event {
  std::chrono::steady_clock::time_point time;
  void* captured_by = nullptr;
  bool timing = true;
};

static Stream default_stream;
static int captures = 0;

static Stream* stream_of(void* handle) { return uintptr_t(handle) < 3 ? &default_stream : (Stream*)handle; }

static int submit(void* handle, std::function<int()> work) {
  Stream* stream = stream_of(handle);
  if (!stream->capture) return work();
  stream->capture->push_back(work);
  return SUCCESS;
}

API int cudaStreamCreateWithFlags(void** stream, unsigned) { return *stream = new Stream, SUCCESS; }
API int cudaStreamCreate(void** stream) { return cudaStreamCreateWithFlags(stream, 0); }
API int cudaStreamCreateWithPriority(void** stream, unsigned, int) { return cudaStreamCreateWithFlags(stream, 0); }
API int cudaStreamGetFlags(void*, unsigned* flags) { return *flags = 0, SUCCESS; }
API int cudaStreamGetPriority(void*, int* priority) { return *priority = 0, SUCCESS; }
API int cudaStreamDestroy(void* stream) { return delete (Stream*)stream, SUCCESS; }
API int cudaStreamSynchronize(void* handle) {
  Stream* stream = stream_of(handle);
  if (!stream->capture) return SUCCESS;
  stream->broken = true;
  return fail(CAPTURE_UNSUPPORTED, "a stream that is being captured cannot be waited for");
}
API int cudaStreamQuery(void* stream) { return cudaStreamSynchronize(stream); }
API int cudaDeviceSynchronize() {
  return captures ? fail(CAPTURE_UNSUPPORTED, "the device cannot be waited for during a capture") : SUCCESS;
}
API int cudaStreamWaitEvent(void* stream, Event* event, unsigned) {
  if (event->captured_by == (stream_of(stream)->capture ? stream : nullptr)) return SUCCESS;
  return fail(CAPTURE_ISOLATION, "an event waited for from the other side of a capture's border");
}
API int cudaStreamBeginCapture(void* stream, int) {
  if (uintptr_t(stream) < 3) return fail(CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
  if (stream_of(stream)->capture) return fail(CAPTURE_INVALIDATED, "a capture in a capture");
  *stream_of(stream) = {std::make_shared<Graph>(), false};
  return ++captures, SUCCESS;
}
API int cudaStreamEndCapture(void* handle, Graph** graph) {
  Stream* stream = stream_of(handle);
  if (!stream->capture) return fail(CAPTURE_INVALIDATED, "no capture to end");
  *graph = stream->broken ? nullptr : new Graph(*stream->capture);
  stream->capture = nullptr, --captures;
  if (logging()) fprintf(stderr, "[cuda on cpu] end of a capture\n");
  return stream->broken ? fail(CAPTURE_INVALIDATED, "the capture was broken") : SUCCESS;
}
API int cudaStreamIsCapturing(void* stream, int* status) {
  return *status = stream_of(stream)->capture ? 1 : 0, SUCCESS;
}
API int cudaGraphInstantiate(Graph** executable, Graph* graph, unsigned long long) {
  return *executable = new Graph(*graph), SUCCESS;
}
API int cudaGraphLaunch(Graph* graph, void* stream) {
  return submit(stream, [nodes = *graph] {
    for (const auto& node : nodes) {
      if (const int error = node()) return error;
    }
    return int(SUCCESS);
  });
}
API int cudaGraphUpload(Graph*, void*) { return SUCCESS; }
API int cudaGraphDestroy(Graph* graph) { return delete graph, SUCCESS; }
API int cudaGraphExecDestroy(Graph* graph) { return delete graph, SUCCESS; }
NONE(cudaGraphDebugDotPrint)
NONE(cudaStreamAddCallback)
NONE(cudaLaunchHostFunc)

API int cudaEventCreateWithFlags(Event** event, unsigned flags) {
  *event = new Event;
  (*event)->timing = !(flags & DISABLE_TIMING);
  return SUCCESS;
}
API int cudaEventCreate(Event** event) { return cudaEventCreateWithFlags(event, 0); }
API int cudaEventDestroy(Event* event) { return delete event, SUCCESS; }
API int cudaEventRecord(Event* event, void* stream) {
  event->captured_by = stream_of(stream)->capture ? stream : nullptr;
  event->time = std::chrono::steady_clock::now();
  return SUCCESS;
}
API int cudaEventElapsedTime(float* ms, Event* start, Event* end) {
  if (!start->timing || !end->timing) return fail(INVALID_HANDLE, "events made without timing have no times");
  *ms = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return SUCCESS;
}
API int cudaEventQuery(Event*) { return SUCCESS; }
API int cudaEventSynchronize(Event* event) {
  return event->captured_by ? fail(CAPTURE_UNSUPPORTED, "an event of a capture cannot be waited for") : SUCCESS;
}
API int cudaProfilerStart() { return SUCCESS; }
API int cudaProfilerStop() { return SUCCESS; }

// Memory

static std::map<uintptr_t, size_t> allocations;
static size_t taken = 0;

// Whether n bytes from p on lie in one allocation of device memory.
static bool on_device(const void* p, size_t n = 1) {
  auto next = allocations.upper_bound(uintptr_t(p));
  return next != allocations.begin() && uintptr_t(p) + n <= std::prev(next)->first + std::prev(next)->second;
}

API int cudaMalloc(void** p, size_t n) {
  *p = aligned_alloc(512, (n + 511) / 512 * 512 + 512);
  memset(*p, 0xFF, n);
  allocations[uintptr_t(*p)] = n, taken += n;
  return SUCCESS;
}
API int cudaFree(void* p) {
  if (!p) return SUCCESS;
  const auto found = allocations.find(uintptr_t(p));
  if (found == allocations.end()) return fail(INVALID_VALUE, "cudaFree of what cudaMalloc did not give");
  memset(p, 0xFF, found->second);
  taken -= found->second, allocations.erase(found), free(p);
  return SUCCESS;
}
API int cudaMallocManaged(void** p, size_t n, unsigned) { return cudaMalloc(p, n); }
API int cudaMallocAsync(void** p, size_t n, void*) { return cudaMalloc(p, n); }
API int cudaMallocFromPoolAsync(void** p, size_t n, void*, void*) { return cudaMalloc(p, n); }
API int cudaFreeAsync(void* p, void*) { return cudaFree(p); }
API int cudaHostAlloc(void** p, size_t n, unsigned) { return *p = malloc(n), SUCCESS; }
API int cudaFreeHost(void* p) { return free(p), SUCCESS; }
API int cudaMemGetInfo(size_t* available, size_t* total) {
  return *total = MEMORY, *available = MEMORY - taken, SUCCESS;
}
API int cudaMemcpyAsync(void* to, const void* from, size_t n, int kind, void* stream) {
  const bool to_device = on_device(to), from_device = on_device(from);
  if (kind <= DEVICE_TO_DEVICE && kind >= HOST_TO_DEVICE &&
      (to_device != (kind != DEVICE_TO_HOST) || from_device != (kind != HOST_TO_DEVICE))) {
    return fail(INVALID_VALUE, "a copy of the wrong kind");
  }
  if ((to_device && !on_device(to, n)) || (from_device && !on_device(from, n))) {
    return fail(ILLEGAL_ADDRESS, "a copy beyond an allocation");
  }
  if (captures && !(to_device && from_device)) {
    return fail(CAPTURE_UNSUPPORTED, "a copy between host and device during a capture");
  }
  return submit(stream, [=] { return memmove(to, from, n), int(SUCCESS); });
}
API int cudaMemcpy(void* to, const void* from, size_t n, int kind) {
  if (captures) return fail(CAPTURE_UNSUPPORTED, "a copy that waits during a capture");
  return cudaMemcpyAsync(to, from, n, kind, nullptr);
}
API int cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t n, void* stream) {
  return cudaMemcpyAsync(to, from, n, DEVICE_TO_DEVICE, stream);
}
API int cudaMemsetAsync(void* p, int value, size_t n, void* stream) {
  if (!on_device(p, n)) return fail(ILLEGAL_ADDRESS, "a fill beyond an allocation");
  return submit(stream, [=] { return memset(p, value, n), int(SUCCESS); });
}
API int cudaMemset(void* p, int value, size_t n) { return cudaMemsetAsync(p, value, n, nullptr); }
API int cudaPointerGetAttributes(void* attributes, const void* p) {
  struct Attributes { int type, device; const void *on_device, *on_host; };
  *(Attributes*)attributes = {on_device(p) ? 2 : 0, 0, on_device(p) ? p : nullptr, nullptr};
  return SUCCESS;
}
NONE(cudaMalloc3DArray)
NONE(cudaMallocArray)
NONE(cudaFreeArray)
NONE(cudaHostRegister)
NONE(cudaHostUnregister)
NONE(cudaMemcpyPeer)
NONE(cudaMemcpy2DFromArray)
NONE(cudaMemcpy2DFromArrayAsync)
NONE(cudaMemcpy2DToArray)
NONE(cudaMemcpy2DToArrayAsync)
NONE(cudaMemcpy2D)
NONE(cudaMemcpy2DAsync)
NONE(cudaMemcpy3D)
NONE(cudaMemcpy3DAsync)
NONE(cudaMemPrefetchAsync)
NONE(cudaMemAdvise)
NONE(cudaDeviceGetDefaultMemPool)
NONE(cudaDeviceGetMemPool)
NONE(cudaDeviceSetMemPool)
NONE(cudaMemPoolCreate)
NONE(cudaMemPoolDestroy)
NONE(cudaMemPoolTrimTo)
NONE(cudaMemPoolGetAttribute)
NONE(cudaMemPoolSetAttribute)
NONE(cudaCreateTextureObject)
NONE(cudaDestroyTextureObject)
NONE(cudaGetChannelDesc)
NONE(cudaGetTextureObjectResourceDesc)
NONE(cudaGetTextureObjectTextureDesc)
NONE(cudaCreateSurfaceObject)
NONE(cudaDestroySurfaceObject)

// Modules and launches. kernel.h writes run_NAME and sizes_NAME for every kernel into its library.

struct Kernel {
  int (*run)(const int* grid, const int* block, void** arguments);
  const char* (*message)();
  std::vector<int> sizes;  // of the arguments, in bytes
  std::string name;
};

struct Module {
  void* library;
  std::map<std::string, Kernel> kernels;
};

API int cuModuleLoadData(Module** module, const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(INVALID_IMAGE, dlerror());
  return *module = new Module{library, {}}, SUCCESS;
}
API int cuModuleUnload(Module*) { return SUCCESS; }
API int cuModuleGetFunction(Kernel** function, Module* module, const char* name) {
  Kernel& kernel = module->kernels[name];
  if (!kernel.run) {
    kernel.run = (decltype(kernel.run))dlsym(module->library, ("run_" + std::string(name)).c_str());
    if (!kernel.run) return fail(NOT_FOUND, std::string("no kernel ") + name);
    const auto sizes = (int (*)(int*))dlsym(module->library, ("sizes_" + std::string(name)).c_str());
    int of_arguments[256];
    kernel.sizes.assign(of_arguments, of_arguments + sizes(of_arguments));
    kernel.message = (decltype(kernel.message))dlsym(module->library, "last_message");
    kernel.name = name;
  }
  return *function = &kernel, SUCCESS;
}
API int cuModuleGetGlobal_v2() { return NOT_FOUND; }

extern "C" { void (*launch_hook)(const char* name, long threads); }

API int cuLaunchKernel(Kernel* kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                       unsigned block_y, unsigned block_z, unsigned shared, void* stream, void** arguments, void**) {
  const unsigned threads = block_x * block_y * block_z;
  if (launch_hook) launch_hook(kernel->name.c_str(), long(grid_x) * grid_y * grid_z * threads);
  if (logging()) {
    fprintf(stderr, "[cuda on cpu] %s (%u, %u, %u) (%u, %u, %u)\n", kernel->name.c_str(), grid_x, grid_y, grid_z,
            block_x, block_y, block_z);
  }
  if (!grid_x || !grid_y || !grid_z || grid_y > 65535 || grid_z > 65535 || !threads || threads > 1024 || block_z > 64 ||
      shared > MOST_SHARED) {
    return fail(INVALID_VALUE, "a launch of " + kernel->name + " larger than a GPU takes, or empty");
  }
  std::vector<std::string> kept;  // a capture outlives what the caller's pointers point to
  for (size_t i = 0; i < kernel->sizes.size(); ++i) kept.emplace_back((char*)arguments[i], kernel->sizes[i]);
  return submit(stream, [=]() mutable {
    const int grid[] = {int(grid_x), int(grid_y), int(grid_z)}, block[] = {int(block_x), int(block_y), int(block_z)};
    std::vector<void*> pointers;
    for (std::string& argument : kept) pointers.push_back(&argument[0]);
    if (!kernel->run(grid, block, pointers.data())) return int(SUCCESS);
    return fail(ILLEGAL_ADDRESS, kernel->name + ": " + kernel->message());
  });
}
API int cuFuncGetAttribute(int* value, int, Kernel*) { return *value = 0, SUCCESS; }
API int cuFuncSetAttribute(Kernel*, int, int) { return SUCCESS; }
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel*, int, size_t) { return *blocks = 2, SUCCESS; }
API int cuOccupancyMaxPotentialBlockSize(int* grid, int* block, Kernel*, void*, size_t, int) {
  return *grid = MULTIPROCESSORS, *block = 256, SUCCESS;
}

// NVRTC: compile.py does the work

struct Program { std::string source, log, path; };

static std::string content(const std::string& path) {
  std::string text;
  if (FILE* file = fopen(path.c_str(), "r")) {
    for (int c; (c = getc(file)) != EOF;) text += char(c);
    fclose(file);
  }
  return text;
}

static void write(const std::string& path, const std::string& text) {
  FILE* file = fopen(path.c_str(), "w");
  fwrite(text.data(), 1, text.size(), file);
  fclose(file);
}

// What a command prints; it may be interrupted, which system() does not let through.
static bool succeeds(const std::string& command, std::string* log) {
  FILE* output = popen((command + " 2>&1").c_str(), "r");
  for (int c; (c = getc(output)) != EOF;) *log += char(c);
  return pclose(output) == 0;
}

API const char* nvrtcGetErrorString(int) { return "see the log"; }
API int nvrtcVersion(int* major, int* minor) { return *major = VERSION / 1000, *minor = 0, SUCCESS; }
API int nvrtcGetNumSupportedArchs(int* count) { return *count = 1, SUCCESS; }
API int nvrtcGetSupportedArchs(int* archs) { return *archs = 90, SUCCESS; }
API int nvrtcCreateProgram(Program** program, const char* source, const char*, int, const char**, const char**) {
  return *program = new Program{source, "", ""}, SUCCESS;
}
API int nvrtcDestroyProgram(Program** program) { return delete *program, SUCCESS; }
API int nvrtcAddNameExpression(Program*, const char*) { return fail(NOT_SUPPORTED, "templates named at run time"); }
API int nvrtcCompileProgram(Program* program, int count, const char** options) {
  constexpr int COMPILATION = 6;
  std::string at = std::filesystem::temp_directory_path() / "cupy_on_cpu_XXXXXX";
  if (!mkdtemp(&at[0])) return COMPILATION;
  std::string all;
  for (int i = 0; i < count; ++i) all += options[i] + std::string("\n");
  write(at + "/kernel.cu", program->source);
  write(at + "/options", all);
  const bool compiled = succeeds(getenv("CUPY_ON_CPU_COMPILE") + (" " + at), &program->log);
  program->path = content(at + "/path");
  if (!compiled) fprintf(stderr, "[cuda on cpu] %s\n", program->log.c_str());
  return succeeds("rm -r " + at, &program->log) && compiled ? SUCCESS : COMPILATION;
}
API int nvrtcGetCUBINSize(Program* program, size_t* n) { return *n = program->path.size() + 1, SUCCESS; }
API int nvrtcGetCUBIN(Program* program, char* cubin) { return strcpy(cubin, program->path.c_str()), SUCCESS; }
API int nvrtcGetPTXSize(Program* program, size_t* n) { return nvrtcGetCUBINSize(program, n); }
API int nvrtcGetPTX(Program* program, char* ptx) { return nvrtcGetCUBIN(program, ptx); }
API int nvrtcGetProgramLogSize(Program* program, size_t* n) { return *n = program->log.size() + 1, SUCCESS; }
API int nvrtcGetProgramLog(Program* program, char* log) { return strcpy(log, program->log.c_str()), SUCCESS; }
