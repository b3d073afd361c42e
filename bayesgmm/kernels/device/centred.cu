// The pass about each component's own mean, in two kernels: log joint densities with their sum over
// the components, then moments. D columns padded to DP (a multiple of 8), at most 64. A block of rows
// at a time, so that what lies between the two never exceeds a bound.

#define T (DP / 8)                       // tiles of 8 columns
#define LOWER (T * (T + 1) / 2)          // of them on and below the diagonal
#define OF_COMPONENT (LOWER * 64 + 2 * DP + 2)
#define WARPS 8
#define ROWS_OF_BLOCK (WARPS * 16)
#define BUFFERS 3

// Copies of N bytes in the background; of nothing, zeros come.
template <int N> __device__ __forceinline__ void copy(void *to, const void *from, bool there = true) {
  const unsigned address = (unsigned)__cvta_generic_to_shared(to), size = there ? N : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from), "n"(N), "r"(size));
}
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;"); }
template <int N> __device__ __forceinline__ void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N)); }

// The log of a sum of exponentials, term by term.
struct LogSum {
  double peak, total;
  __device__ __forceinline__ void add(double v, double times) {
    if (v > peak) {
      total = total * exp_negative(peak - v) + times;
      peak = v;
    } else {
      total += times * exp_negative(v - peak);
    }
  }
};

// params are center (D,), inverse_scale (D,) and packed (K, OF_COMPONENT): of each component the tiles (j, p), p <= j, of its factor G as the lanes
// of a product read them, its mean m, G m, and the constant of its log
// density.
extern "C" __global__ void __launch_bounds__(WARPS * 32, 2)
log_joint(const ROW *__restrict__ x, i64 first_row, i64 n_rows, i64 stride,
          const double *__restrict__ params, int n_components, const double *__restrict__ row_weights,
          double *__restrict__ joint, double *__restrict__ log_sums, double *__restrict__ totals,
          int add_to_totals) {
  extern __shared__ double shared[];
  const double *center = params, *inverse_scale = center + D, *packed = inverse_scale + D;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, q = lane % 4;
  const i64 start = (i64)blockIdx.x * ROWS_OF_BLOCK + 16 * warp;  // within the block of rows

  double z[T][4];
#pragma unroll
  for (int p = 0; p < T; p++)
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const i64 row = start + g + 8 * (i % 2);
      const int column = 8 * p + q + 4 * (i / 2);
      z[p][i] = 0.0;
      if (column < D && row < n_rows)
        z[p][i] = ((double)x[(first_row + row) * D + column] - center[column]) * inverse_scale[column];
    }

  auto fetch = [&](int k) {
    if (k < n_components) {
      double *to = shared + (k % BUFFERS) * OF_COMPONENT;
      const double *from = packed + (i64)k * OF_COMPONENT;
      for (int i = 2 * threadIdx.x; i < OF_COMPONENT; i += 2 * WARPS * 32) copy<16>(to + i, from + i);
    }
    commit();
  };
  LogSum sum[2] = {{-1e300, 0.0}, {-1e300, 0.0}};
  double mine[2] = {-1e300, -1e300};
  fetch(0);
  for (int k = 0; k < n_components; k++) {
    fetch(k + 1);
    wait<1>();
    __syncthreads();  // one for each component: the third buffer is the one that nobody reads
    const double *factor = shared + (k % BUFFERS) * OF_COMPONENT, *shift = factor + LOWER * 64 + DP;
    double low = 0.0, high = 0.0;
#pragma unroll
    for (int j = 0; j < T; j += 2) {  // y = G z - G m, two tiles of 8 columns at a time
      double y[2][4];
#pragma unroll
      for (int h = 0; h < 2; h++)
#pragma unroll
        for (int i = 0; i < 4; i++) y[h][i] = j + h < T ? -shift[8 * (j + h < T ? j + h : 0) + 2 * q + i % 2] : 0.0;
#pragma unroll
      for (int p = 0; p <= j + 1; p++)
#pragma unroll
        for (int h = 0; h < 2; h++)
          if (p <= j + h && j + h < T) {
            const int tile = (j + h) * (j + h + 1) / 2 + p;
            const double2 b = reinterpret_cast<const double2 *>(factor)[tile * 32 + lane];
            const int own = p < T ? p : 0;
            multiply_add(y[h], z[own][0], z[own][1], z[own][2], z[own][3], b.x, b.y);
          }
#pragma unroll
      for (int h = 0; h < 2; h++) {
        low = fma(y[h][0], y[h][0], fma(y[h][1], y[h][1], low));
        high = fma(y[h][2], y[h][2], fma(y[h][3], y[h][3], high));
      }
    }
    low += __shfl_xor_sync(FULL, low, 1);
    high += __shfl_xor_sync(FULL, high, 1);
    low += __shfl_xor_sync(FULL, low, 2);
    high += __shfl_xor_sync(FULL, high, 2);
    const double constant = shift[DP];
    // Of four components in turn each of the four lanes takes one.
    if (k % 4 == q) {
      mine[0] = fma(-0.5, low, constant);
      mine[1] = fma(-0.5, high, constant);
    }
    if (k % 4 == 3 || k + 1 == n_components) {
      const int own = k - k % 4 + q;
      if (own < n_components) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
          const i64 row = start + g + 8 * h;
          if (row < n_rows) joint[own * stride + row] = mine[h];
        }
      } else {
        mine[0] = mine[1] = -1e300;
      }
      sum[0].add(mine[0], own < n_components ? 1.0 : 0.0);
      sum[1].add(mine[1], own < n_components ? 1.0 : 0.0);
    }
  }
  wait<0>();
  __syncthreads();

  double loglik = 0.0, certainty = 0.0;
#pragma unroll
  for (int h = 0; h < 2; h++) {
#pragma unroll
    for (int m = 1; m < 4; m *= 2) {
      const double peak = __shfl_xor_sync(FULL, sum[h].peak, m);
      const double total = __shfl_xor_sync(FULL, sum[h].total, m);
      const double top = fmax(peak, sum[h].peak);
      // the same sum in both lanes: addition commutes
      sum[h].total = sum[h].total * exp_negative(sum[h].peak - top) + total * exp_negative(peak - top);
      sum[h].peak = top;
    }
    const i64 row = start + g + 8 * h;
    if (q == 0 && row < n_rows) {
      const double log_total = log(sum[h].total), weight = row_weights ? row_weights[first_row + row] : 1.0;
      log_sums[row] = sum[h].peak + log_total;
      loglik += weight * (sum[h].peak + log_total);
      certainty -= weight * log_total;
    }
  }
  loglik = add_lanes(loglik);
  certainty = add_lanes(certainty);
  if (lane == 0) {
    shared[2 * warp] = loglik;
    shared[2 * warp + 1] = certainty;
  }
  __syncthreads();
  if (threadIdx.x < 2) {
    double v = add_to_totals ? totals[2 * blockIdx.x + threadIdx.x] : 0.0;
    for (int w = 0; w < WARPS; w++) v += shared[2 * w + threadIdx.x];
    totals[2 * blockIdx.x + threadIdx.x] = v;
  }
}

// Responsibilities, (rows, K) in resp, of what `log_joint` wrote.
extern "C" __global__ void responsibilities(const double *__restrict__ joint,
                                            const double *__restrict__ log_sums, i64 n_rows, i64 stride,
                                            int n_components, double *__restrict__ resp) {
  const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n_rows * n_components) return;
  const i64 row = i / n_components, k = i % n_components;
  resp[i] = exp_negative(joint[k * stride + row] - log_sums[row]);
}

#ifndef STAGE
#define STAGE 64  // rows at a time
#endif
#define Z_STRIDE (DP % 16 == 8 ? DP + 12 : DP + 4)   // 4 modulo 16: no two lanes meet in a bank
#define PAIRS ((T + 1) / 2)                            // tiles of 16 columns
#define FULL_TILES (PAIRS * (PAIRS + 1) - (T % 2))     // of 16 x 8 on and below the diagonal
#define OF_MOMENTS (FULL_TILES * 128 + DP + 2)

// Each warp takes one component, each block of threads 8 of them and its part of the rows; sums
// (parts, K, OF_MOMENTS) get second moments about the means, sums about the centre, and counts.
extern "C" __global__ void __launch_bounds__(WARPS * 32, 1)
moments(const ROW *__restrict__ x, i64 first_row, i64 n_rows, i64 stride, const double *__restrict__ params,
        int n_components, const double *__restrict__ row_weights, const double *__restrict__ joint,
        const double *__restrict__ log_sums, double *__restrict__ sums, int add_to_sums) {
  extern __shared__ double shared[];
  const double *center = params, *inverse_scale = center + D, *packed = inverse_scale + D;
  // Two stages of rows and, of each warp, of responsibilities; then what is copied ahead, as it is.
  double *z = shared, *weight = z + 2 * STAGE * Z_STRIDE + (threadIdx.x / 32) * 2 * STAGE;
  double *ahead = shared + 2 * STAGE * (Z_STRIDE + WARPS) + (threadIdx.x / 32) * 3 * STAGE;
  ROW *raw = reinterpret_cast<ROW *>(shared + 2 * STAGE * (Z_STRIDE + WARPS) + 3 * WARPS * STAGE);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, q = lane % 4;
  const int k = blockIdx.x * WARPS + warp;
  const bool used = k < n_components;
  double mean[T];
#pragma unroll
  for (int j = 0; j < T; j++)
    mean[j] = used ? packed[(i64)k * OF_COMPONENT + LOWER * 64 + 8 * j + g] : 0.0;

  const int column = 2 * lane < DP ? lane : 0;
  double s[FULL_TILES][4], first[2] = {0.0, 0.0}, count = 0.0;
#pragma unroll
  for (int t = 0; t < FULL_TILES; t++)
#pragma unroll
    for (int i = 0; i < 4; i++) s[t][i] = 0.0;

  const i64 n_stages = (n_rows + STAGE - 1) / STAGE;
  constexpr int BYTES = STAGE * D * sizeof(ROW), AT_ONCE = COPY / sizeof(ROW);
  // Every thread turns what it copied itself into rows, so that none waits for another's copy.
  auto fetch = [&](i64 stage) {
    if (stage < n_stages) {
      const i64 begin = stage * STAGE, bytes = (n_rows - begin) * (D * sizeof(ROW));
      const char *from = reinterpret_cast<const char *>(x + (first_row + begin) * D);
      for (int i = COPY * threadIdx.x; i < BYTES; i += COPY * WARPS * 32)
        copy<COPY>(reinterpret_cast<char *>(raw) + i, i < bytes ? from + i : from, i < bytes);
      if (used) {
        for (int i = 2 * lane; i < STAGE; i += 64) {
          copy<16>(ahead + i, joint + k * stride + begin + i);
          copy<16>(ahead + STAGE + i, log_sums + begin + i);
        }
        if (row_weights)
          for (int i = lane; i < STAGE; i += 32)
            copy<8>(ahead + 2 * STAGE + i, row_weights + first_row + (begin + i < n_rows ? begin + i : 0));
      }
    }
    commit();
  };
  auto take = [&](i64 stage, int to) {
    wait<0>();
    if (stage >= n_stages) return;
    for (int i = AT_ONCE * threadIdx.x; i < STAGE * D; i += AT_ONCE * WARPS * 32) {
      double own[AT_ONCE];
#pragma unroll
      for (int h = 0; h < AT_ONCE; h++) {
        const int column = (i + h) % D;
        own[h] = ((double)raw[i + h] - center[column]) * inverse_scale[column];
      }
      double *row = z + to * STAGE * Z_STRIDE + i / D * Z_STRIDE + i % D;
      if (D % 2 == 0 && AT_ONCE % 2 == 0) {  // pieces do not go over the end of a row
#pragma unroll
        for (int h = 0; h < AT_ONCE; h += 2)
          *reinterpret_cast<double2 *>(row + h) = make_double2(own[h], own[h + (AT_ONCE > 1)]);
      } else {
#pragma unroll
        for (int h = 0; h < AT_ONCE; h++)
          z[to * STAGE * Z_STRIDE + (i + h) / D * Z_STRIDE + (i + h) % D] = own[h];
      }
    }
    __syncwarp();
#pragma unroll
    for (int h = 0; h < STAGE / 32; h++) {
      const int i = lane + 32 * h;
      double r = 0.0;
      if (used && stage * STAGE + i < n_rows) {
        r = exp_negative(ahead[i] - ahead[STAGE + i]);
        if (row_weights) r *= ahead[2 * STAGE + i];
      }
      weight[to * STAGE + i] = r;
      count += r;
    }
    __syncwarp();
  };
  if (D < DP)
    for (int i = threadIdx.x; i < 2 * STAGE * Z_STRIDE; i += WARPS * 32) z[i] = 0.0;
  __syncthreads();
  fetch(blockIdx.y);
  take(blockIdx.y, 0);
  fetch(blockIdx.y + gridDim.y);
  __syncthreads();
  int at = 0;
  for (i64 stage = blockIdx.y; stage < n_stages; stage += gridDim.y, at ^= 1) {
    const double *rows = z + at * STAGE * Z_STRIDE, *own = weight + at * STAGE;
#pragma unroll 1
    for (int step = 0; step < (used ? STAGE / 8 : 0); step++) {
      const double r0 = own[8 * step + q], r1 = own[8 * step + q + 4];
      double v[T][2];
#pragma unroll
      for (int j = 0; j < T; j++) {
        v[j][0] = rows[(8 * step + q) * Z_STRIDE + 8 * j + g] - mean[j];
        v[j][1] = rows[(8 * step + q + 4) * Z_STRIDE + 8 * j + g] - mean[j];
      }
#pragma unroll
      for (int i = 0; i < PAIRS; i++) {
        const bool whole = 2 * i + 1 < T;
        const double a0 = r0 * v[2 * i][0], a2 = r1 * v[2 * i][1];
        const double a1 = whole ? r0 * v[whole ? 2 * i + 1 : 0][0] : 0.0;
        const double a3 = whole ? r1 * v[whole ? 2 * i + 1 : 0][1] : 0.0;
#pragma unroll
        for (int j = 0; j < 2 * i + 1 + whole; j++)
          multiply_add(s[i * (i + 1) + j], a0, a1, a2, a3, v[j][0], v[j][1]);
      }
#pragma unroll
      for (int row = 8 * step; row < 8 * step + 8; row++) {  // sums of two columns to a lane
        const double2 both = reinterpret_cast<const double2 *>(rows + row * Z_STRIDE)[column];
        first[0] = fma(own[row], both.x, first[0]);
        first[1] = fma(own[row], both.y, first[1]);
      }
    }
    take(stage + gridDim.y, at ^ 1);
    fetch(stage + 2 * gridDim.y);
    __syncthreads();
  }
  if (!used) return;
  double *out = sums + ((i64)blockIdx.y * n_components + k) * OF_MOMENTS;
#pragma unroll
  for (int t = 0; t < FULL_TILES; t++)
#pragma unroll
    for (int i = 0; i < 4; i++) {
      double *to = out + t * 128 + i * 32 + lane;
      *to = (add_to_sums ? *to : 0.0) + s[t][i];
    }
  for (int h = 0; h < 2; h++)
    if (2 * lane + h < DP) {
      double *to = out + FULL_TILES * 128 + 2 * lane + h;
      *to = (add_to_sums ? *to : 0.0) + first[h];
    }
  count = add_lanes(count);
  double *to = out + FULL_TILES * 128 + DP;
  if (lane == 0) *to = (add_to_sums ? *to : 0.0) + count;
}
