/** Features that let a guest run guests of its own, what they may do being in MSRs that no dump has. */
export const NESTING = ["VMX", "SVM"] as const;
