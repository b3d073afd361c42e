// What the kernels of the pass share. `cuda.py` compiles them for one number of columns D, one type of
// rows ROW, and what else each names, at a time; COPY are the bytes in which rows may be copied.

typedef long long i64;
#define FULL 0xffffffffu  // all lanes of a warp

// One product of a 16 x 8 by an 8 x 8 matrix on the double-precision tensor units, added to c.
// With g = lane / 4, q = lane % 4 (PTX ISA, mma.m16n8k8 with .f64):
//   a = A[g][q], A[g + 8][q], A[g][q + 4], A[g + 8][q + 4];  b = B[q][g], B[q + 4][g];
//   c = C[g][2q], C[g][2q + 1], C[g + 8][2q], C[g + 8][2q + 1].
__device__ __forceinline__ void multiply_add(double (&c)[4], double a0, double a1, double a2,
                                             double a3, double b0, double b1) {
#if __CUDA_ARCH__ >= 900
  asm("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
      : "d"(a0), "d"(a1), "d"(a2), "d"(a3), "d"(b0), "d"(b1));
#else
#define PART(x, y, a, b)                                                            \
  asm("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};" \
               : "+d"(x), "+d"(y) : "d"(a), "d"(b))
  PART(c[0], c[1], a0, b0);
  PART(c[2], c[3], a1, b0);
  PART(c[0], c[1], a2, b1);
  PART(c[2], c[3], a3, b1);
#undef PART
#endif
}

struct Row {
  ROW v[D];
};

// A row of x, 16 bytes at a time where rows are whole such pieces; the last one beyond the end.
__device__ __forceinline__ Row read(const ROW *__restrict__ x, i64 n, i64 i) {
  Row row;
  const ROW *from = x + (i < n ? i : n - 1) * D;
#if COPY == 16
#pragma unroll
  for (int j = 0; j < D; j += 16 / sizeof(ROW))
    *reinterpret_cast<int4 *>(row.v + j) = __ldg(reinterpret_cast<const int4 *>(from + j));
#else
#pragma unroll
  for (int j = 0; j < D; j++) row.v[j] = __ldg(from + j);
#endif
  return row;
}

// exp(x) for x <= 0 to 3e-16 + |x| 3e-17 relative; exactly 0 below -690 (and of -inf). A polynomial of
// degree 10, of least relative error on half of ln 2 either side, by Remez's exchange. The rounding of
// ln 2 makes the term in |x|, which is nothing beside the 1 that such terms are added to.
__device__ __forceinline__ double exp_negative(double x) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52: the integer lands in the low bits
  const double shifted = fma(x, 1.4426950408889634, magic);
  const double r = fma(shifted - magic, -0.6931471805599453, x);
  double e = fma(2.748843242522173e-07, r, 2.763978461400876e-06);
  e = fma(e, r, 2.480191781217471e-05);
  e = fma(e, r, 1.9841171345220726e-04);
  e = fma(e, r, 1.3888888498912756e-03);
  e = fma(e, r, 8.333333384696242e-03);
  e = fma(e, r, 4.166666666842739e-02);
  e = fma(e, r, 1.6666666666557656e-01);
  e = fma(e, r, 4.9999999999997286e-01);
  e = fma(e, r, 1.0000000000000064);
  e = fma(e, r, 1.0);
  const int high = __double2hiint(e) + (__double2loint(shifted) << 20);
  // -690 as bits; integers do not wait for the unit of doubles
  const bool none = (unsigned)__double2hiint(x) > 0xC0859000u;
  return none ? 0.0 : __hiloint2double(high, __double2loint(e));
}

__device__ __forceinline__ double add_lanes(double v) {
#pragma unroll
  for (int m = 16; m > 0; m >>= 1) v += __shfl_xor_sync(FULL, v, m);
  return v;
}

// Adds up what the blocks of a kernel wrote, in their order: out (size,) of parts (n_parts, size).
extern "C" __global__ void add_blocks(const double *__restrict__ parts, int n_parts, int size,
                                      double *__restrict__ out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  double v = 0.0;
  for (int p = 0; p < n_parts; p++) v += parts[(i64)p * size + i];
  out[i] = v;
}
