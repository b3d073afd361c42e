// The pass in quadratic features, all in one kernel: log joint densities Theta Phi', softmax over the
// components, sums R' Phi. A warp takes 32 rows at a time and keeps its sums in registers.
//
// D columns; DIAGONAL or not; components padded to KP (a multiple of 16), of which the last 8 are none
// where HALF; F features padded to FP (a multiple of 8). Theta's padding has zeros, but a constant of
// about minus infinity. params are center (D,), inverse_scale (D,) and theta (KP, FP).

#ifndef WARPS
#define WARPS 4
#endif
#define ROWS 32
#define STRIDE 36              // of a feature's 32 rows in shared memory: no two lanes meet in a bank
#define MANY_FACTORS (KP <= 64 ? 128 : 32)   // 64^128 and 2^32^32 are below the largest double
#define M_TILES (KP / 16)
#define F_TILES (FP / 8)
#define USED (KP - 8 * HALF)

// The row of a tile of 8 that column n of a product stands for: both products then read the
// features without bank conflicts.
__device__ __forceinline__ int row_of(int n) { return n < 4 ? n : n ^ 1; }

extern "C" __global__ void __launch_bounds__(WARPS * 32, MIN_BLOCKS)
features_pass(const ROW *__restrict__ x, i64 n, const double *__restrict__ params, int n_components,
              const double *__restrict__ row_weights, double *__restrict__ sums,
              double *__restrict__ log_density, double *__restrict__ resp) {
  const double *center = params, *inverse_scale = center + D, *theta = inverse_scale + D;
  extern __shared__ double shared[];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, q = lane % 4;
  double *phi = shared + warp * FP * STRIDE;
  for (int f = F; f < FP; f++) phi[f * STRIDE + lane] = 0.0;

#if THETA_IN_REGISTERS
  double a[M_TILES][F_TILES][4];
#pragma unroll
  for (int m = 0; m < M_TILES; m++)
#pragma unroll
    for (int t = 0; t < F_TILES; t++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        a[m][t][i] = theta[(16 * m + g + 8 * (i % 2)) * FP + 8 * t + q + 4 * (i / 2)];
#define A(m, t, i) a[m][t][i]
#else
  double *own = shared + WARPS * FP * STRIDE;  // Theta in the order in which lanes read it
  for (int i = threadIdx.x; i < M_TILES * F_TILES * 128; i += WARPS * 32) {
    int l = i % 32, part = i / 32 % 4, t = i / 128 % F_TILES, m = i / 128 / F_TILES;
    own[i] = theta[(16 * m + l / 4 + 8 * (part % 2)) * FP + 8 * t + l % 4 + 4 * (part / 2)];
  }
  __syncthreads();
#define A(m, t, i) own[(((m) * F_TILES + (t)) * 4 + (i)) * 32 + lane]
#endif

  double s[M_TILES][F_TILES][4];
#pragma unroll
  for (int m = 0; m < M_TILES; m++)
#pragma unroll
    for (int t = 0; t < F_TILES; t++)
#pragma unroll
      for (int i = 0; i < 4; i++) s[m][t][i] = 0.0;
  double loglik = 0.0, certainty = 0.0;

  const i64 step = (i64)gridDim.x * WARPS * ROWS;
  // Logarithms of many rows at once: of the product of their totals, each from 1 to K.
  const bool plain = !row_weights && !log_density;
  double product = 1.0;
  int n_factors = 0;
#if PREFETCH
  Row row = read(x, n, ((i64)blockIdx.x * WARPS + warp) * ROWS + lane);
#endif
  for (i64 start = ((i64)blockIdx.x * WARPS + warp) * ROWS; start < n; start += step) {
    const i64 mine = start + lane;
#if !PREFETCH
    Row row = read(x, n, mine);
#endif
    {  // features of the lane's own row
      double z[D];
#pragma unroll
      for (int j = 0; j < D; j++) z[j] = ((double)row.v[j] - center[j]) * inverse_scale[j];
#if PREFETCH
      row = read(x, n, mine + step);
#endif
      phi[lane] = 1.0;
#pragma unroll
      for (int j = 0; j < D; j++) phi[(1 + j) * STRIDE + lane] = z[j];
      int f = 1 + D;
#pragma unroll
      for (int i = 0; i < D; i++)
#pragma unroll
        for (int j = i; j < (DIAGONAL ? i + 1 : D); j++, f++) phi[f * STRIDE + lane] = z[i] * z[j];
    }
    __syncwarp();

    // c[m][v]: components g, g + 8 of tile m by rows row_of(2q), row_of(2q + 1) of tile v
    double c[M_TILES][4][4];
#pragma unroll
    for (int m = 0; m < M_TILES; m++)
#pragma unroll
      for (int v = 0; v < 4; v++)
#pragma unroll
        for (int i = 0; i < 4; i++) c[m][v][i] = 0.0;
#pragma unroll
    for (int t = 0; t < F_TILES; t++) {
      double b0[4], b1[4];
#pragma unroll
      for (int v = 0; v < 4; v++) {
        b0[v] = phi[(8 * t + q) * STRIDE + 8 * v + row_of(g)];
        b1[v] = phi[(8 * t + q + 4) * STRIDE + 8 * v + row_of(g)];
      }
#pragma unroll
      for (int m = 0; m < M_TILES; m++)
#pragma unroll
        for (int v = 0; v < 4; v++)
          multiply_add(c[m][v], A(m, t, 0), A(m, t, 1), A(m, t, 2), A(m, t, 3), b0[v], b1[v]);
    }

    // Peaks of 8 rows per lane over its own components, then over the other lanes': halving the
    // rows at each exchange, a lane ends with the one row that it writes back.
    double part[8];
#pragma unroll
    for (int v = 0; v < 4; v++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        double top = c[0][v][h];
#pragma unroll
        for (int m = 0; m < M_TILES; m++) {
          if (m > 0) top = fmax(top, c[m][v][h]);
          if (16 * m + 8 < USED) top = fmax(top, c[m][v][2 + h]);
        }
        part[2 * v + h] = top;
      }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      double send = g & 4 ? part[i] : part[i + 4], keep = g & 4 ? part[i + 4] : part[i];
      part[i] = fmax(keep, __shfl_xor_sync(0xffffffffu, send, 16));
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      double send = g & 2 ? part[i] : part[i + 2], keep = g & 2 ? part[i + 2] : part[i];
      part[i] = fmax(keep, __shfl_xor_sync(0xffffffffu, send, 8));
    }
    double send = g & 1 ? part[0] : part[1], keep = g & 1 ? part[1] : part[0];
    const double peak = fmax(keep, __shfl_xor_sync(0xffffffffu, send, 4));
    // The lane's row: its own of the 8 that lanes with its q had, in this order of v and h.
    const int number = (g & 4 ? 4 : 0) + (g & 2 ? 2 : 0) + (g & 1);

#pragma unroll
    for (int v = 0; v < 4; v++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const double of_row = __shfl_sync(0xffffffffu, peak, (2 * v + h) * 4 + q);
        double total = 0.0;
#pragma unroll
        for (int m = 0; m < M_TILES; m++)
#pragma unroll
          for (int up = 0; up < 2; up++)
            if (16 * m + 8 * up < USED) {
              c[m][v][2 * up + h] = exp_negative(c[m][v][2 * up + h] - of_row);
              total += c[m][v][2 * up + h];
            }
        part[2 * v + h] = total;
      }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      double send = g & 4 ? part[i] : part[i + 4], keep = g & 4 ? part[i + 4] : part[i];
      part[i] = keep + __shfl_xor_sync(0xffffffffu, send, 16);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
      double send = g & 2 ? part[i] : part[i + 2], keep = g & 2 ? part[i + 2] : part[i];
      part[i] = keep + __shfl_xor_sync(0xffffffffu, send, 8);
    }
    send = g & 1 ? part[0] : part[1], keep = g & 1 ? part[1] : part[0];
    const double total = keep + __shfl_xor_sync(0xffffffffu, send, 4);
    const i64 at = start + 8 * (number / 2) + row_of(2 * q + number % 2);
    const bool counts = at < n;
    const double weight = !counts ? 0.0 : row_weights ? row_weights[at] : 1.0;
    if (plain) {
      product *= counts ? total : 1.0;
      loglik += counts ? peak : 0.0;
      if (++n_factors == MANY_FACTORS) {
        certainty -= log(product);
        product = 1.0;
        n_factors = 0;
      }
    } else if (counts) {
      const double log_total = log(total);
      loglik += weight * peak;
      certainty -= weight * log_total;
      if (log_density) log_density[at] = peak + log_total;
    }
    const double factor = (resp ? 1.0 : weight) / total;

#pragma unroll
    for (int v = 0; v < 4; v++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const double of_row = __shfl_sync(0xffffffffu, factor, (2 * v + h) * 4 + q);
#pragma unroll
        for (int m = 0; m < M_TILES; m++) {
          c[m][v][h] *= of_row;
          c[m][v][2 + h] = 16 * m + 8 < USED ? c[m][v][2 + h] * of_row : 0.0;
        }
      }
    if (resp) {
#pragma unroll
      for (int v = 0; v < 4; v++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
          const i64 r = start + 8 * v + row_of(2 * q + h);
#pragma unroll
          for (int m = 0; m < M_TILES; m++)
#pragma unroll
            for (int up = 0; up < 2; up++)
              if (r < n && 16 * m + 8 * up + g < n_components)
                resp[r * n_components + 16 * m + 8 * up + g] = c[m][v][2 * up + h];
        }
    }
    if (sums) {
      // Rows 2q + h of a tile are the contracted index: what a lane has is what the product wants.
#pragma unroll
      for (int v = 0; v < 4; v++)
#pragma unroll
        for (int t = 0; t < F_TILES; t++) {
          const double b0 = phi[(8 * t + g) * STRIDE + 8 * v + row_of(2 * q)];
          const double b1 = phi[(8 * t + g) * STRIDE + 8 * v + row_of(2 * q + 1)];
#pragma unroll
          for (int m = 0; m < M_TILES; m++)
            multiply_add(s[m][t], c[m][v][0], c[m][v][2], c[m][v][1], c[m][v][3], b0, b1);
        }
    }
    __syncwarp();
  }

  // The warps' sums, added in their order.
  __syncthreads();
  double *mine = shared;
  certainty -= log(product);
  loglik = add_lanes(loglik - certainty);
  certainty = add_lanes(certainty);
  for (int w = 0; w < WARPS; w++) {
    if (warp == w) {
#pragma unroll
      for (int m = 0; m < M_TILES; m++)
#pragma unroll
        for (int t = 0; t < F_TILES; t++)
#pragma unroll
          for (int i = 0; i < 4; i++) {
            int at = (16 * m + g + 8 * (i / 2)) * FP + 8 * t + 2 * q + i % 2;
            mine[at] = (w ? mine[at] : 0.0) + s[m][t][i];
          }
      if (lane == 0) {
        mine[KP * FP] = (w ? mine[KP * FP] : 0.0) + loglik;
        mine[KP * FP + 1] = (w ? mine[KP * FP + 1] : 0.0) + certainty;
      }
    }
    __syncthreads();
  }
  if (sums)
    for (int i = threadIdx.x; i < KP * FP + 2; i += WARPS * 32)
      sums[(i64)blockIdx.x * (KP * FP + 2) + i] = mine[i];
}
